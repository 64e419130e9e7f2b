import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { NODES, PODS } from "@kedge/kube";
import { removeCgroups } from "@kedge/standalone";
import { freePort, TestContainerd } from "@kedge/testing";
import { NAMESPACE, sleeper } from "./test-bed.ts";
import { startEmbeddedCloud, type TestCloud, waitForNode } from "./test-cloud.ts";
import { waitForObject } from "./wait-for-object.ts";

const root = join(import.meta.dirname, "../..");
const NODE = "edge-by-keadm";

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** As a user runs it. */
function keadm(...args: string[]): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(join(root, "kedge"), ["keadm", ...args], { timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr });
    });
    child.stdin?.end();
  });
}

suite("keadm on an edge host", { skip: TestContainerd.missing(), timeout: 300_000 }, () => {
  let scope: AsyncDisposableStack;
  let cloud: TestCloud;
  let containerd: TestContainerd;
  let dir: string;
  let host: string;
  let token: string;
  let settings: string[];
  let flags: string[];

  before(async () => {
    scope = new AsyncDisposableStack();
    dir = mkdtempSync(join(tmpdir(), "kedge-keadm-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    host = join(dir, "host");
    cloud = scope.use(await startEmbeddedCloud(dir, "127.0.0.1"));
    containerd = scope.use(await TestContainerd.start());
    const cgroup = `/kedge-test-${containerd.bridge}`;
    scope.defer(() => removeCgroups(cgroup));
    settings = [
      "--set",
      `modules.edged.tailoredKubeletConfig.cgroupRoot=${cgroup},modules.edged.tailoredKubeletConfig.readOnlyPort=0`,
      "--set",
      `modules.eventBus.mqttMode=0,modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${await freePort()}`,
    ];
    flags = [
      `--root-dir=${host}`,
      `--cloudcore-ipport=127.0.0.1:${cloud.ports.cloudHub}`,
      `--certport=${cloud.ports.https}`,
      `--edgenode-name=${NODE}`,
      `--remote-runtime-endpoint=${containerd.endpoint}`,
      "--timeout=60",
      ...settings,
    ];
    scope.defer(async () => void (await keadm("reset", "edge", "--force", "--root-dir", host)));
    ({ stdout: token } = await keadm("gettoken", "--kube-config", cloud.kubeconfig));
    token = token.trim();
  });
  after(() => scope.disposeAsync());

  const joinHost = (...more: string[]) => keadm("join", ...flags, "-t", token, ...more);

  test("gettoken prints the token that cloudcore keeps, and when it expires", async () => {
    assert.equal(token, await cloud.token());
    const json = JSON.parse((await keadm("gettoken", "--kube-config", cloud.kubeconfig, "-o", "json")).stdout) as {
      token: string;
      expiresAt: string;
    };
    assert.equal(json.token, token);
    assert.ok(Date.parse(json.expiresAt) > Date.now());
  });

  const mistakes: readonly { name: string; args: () => string[] | Promise<string[]>; says: RegExp }[] = [
    {
      name: "a token that was not copied whole",
      args: () => ["-t", token.slice(0, 80)],
      says: /join token is malformed: copy it whole/,
    },
    {
      name: "a token of another cloud",
      args: () => ["-t", `${"0".repeat(64)}${token.slice(64)}`],
      says: /is not the cloud that this token is from.*get a new token/,
    },
    {
      name: "a token that was not signed here",
      args: () => ["-t", `${token.slice(0, -4)}AAAA`],
      says: /refused the join token of node .*get a new token/,
    },
    {
      name: "a port on which nobody listens",
      args: async () => ["-e", `127.0.0.1:${await freePort()}`],
      says: /nothing listens at 127\.0\.0\.1:\d+ \(CloudHub's WebSocket port\): check the address/,
    },
    {
      name: "an HTTPS port on which nobody listens",
      args: async () => ["-s", String(await freePort())],
      says: /nothing listens at 127\.0\.0\.1:\d+ \(cloudcore's HTTPS port\)/,
    },
    {
      name: "a host that cannot be resolved",
      args: () => ["-e", `no-such-host.invalid:${cloud.ports.cloudHub}`],
      says: /the name in no-such-host\.invalid cannot be resolved/,
    },
    {
      name: "a runtime that is not there",
      args: () => ["-p", "unix:///run/no-such-runtime.sock"],
      says: /there is no \/run\/no-such-runtime\.sock: install and start containerd/,
    },
    {
      name: "a cgroup driver that is not the runtime's",
      args: () => ["--cgroupdriver", "systemd"],
      says: /the container runtime uses cgroupfs, not systemd/,
    },
    {
      name: "a setting that does not exist",
      args: () => ["--set", "modules.eventBus.mqttMod=0"],
      says: /--set modules\.eventBus\.mqttMod: there is no such key/,
    },
    { name: "a name that no node can have", args: () => ["-i", "Edge_1"], says: /"Edge_1" cannot be a node's name/ },
  ];
  for (const { name, args, says } of mistakes)
    test(`join names the one cause, and leaves nothing behind: ${name}`, async () => {
      const { code, stderr, stdout } = await joinHost(...(await args()), "-o", "json");
      assert.match(stderr, says);
      assert.equal(code, 1);
      assert.match((JSON.parse(stdout) as { error: { message: string } }).error.message, says);
      const certificates = join(host, "etc/kubeedge/ca/rootCA.crt");
      for (const file of readdirIfThere(host)) assert.equal(join(host, file), certificates);
    });

  test("join makes this host a node that runs pods; FIX: what failed before needs no reset", async (context) => {
    const started = performance.now();
    const { code, stderr, stdout } = await joinHost("-o", "json");
    assert.equal(code, 0, stderr);
    context.diagnostic(`joined after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    const node = await cloud.kube.get(NODES, { name: NODE }, AbortSignal.timeout(5_000));
    const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
    assert.equal(ready?.status, "True", "the node is Ready when join returns");
    const result = JSON.parse(stdout) as { node: string; config: string; checks: { ok: boolean }[] };
    assert.equal(result.node, NODE);
    assert.ok(result.checks.length > 5 && result.checks.every(({ ok }) => ok));
  });

  test("FIX: no token is on the disk, and only root reads keys and configuration", () => {
    for (const file of readdirIfThere(host)) {
      if (!/\.(yaml|before|conf|log|crt|pid)$/.test(file)) continue;
      assert.ok(!readFileSync(join(host, file), "utf8").includes(token.slice(65)), file);
    }
    for (const file of ["etc/kubeedge/config/edgecore.yaml", "etc/kubeedge/certs/server.key"])
      assert.equal(statSync(join(host, file)).mode & 0o077, 0, file);
  });

  test("U5: the same join again finds the node as it is, and goes on", async () => {
    const { code, stderr } = await joinHost("-l", "site=north");
    assert.equal(code, 0, stderr);
    await waitForNode(cloud.kube, NODE, "True");
  });

  test("a join as another node needs a reset first", async () => {
    const { code, stderr } = await joinHost("-i", "another-name");
    assert.match(stderr, /edgecore runs here \(process \d+\) as node edge-by-keadm .*: first run keadm reset edge/);
    assert.equal(code, 1);
  });

  test("a name that another host has is refused before anything is done", async () => {
    const other = join(dir, "other-host");
    const { code, stderr } = await joinHost("--root-dir", other);
    assert.match(
      stderr,
      /the cluster has a node edge-by-keadm already: give another name with -i, or, .*kubectl delete node/,
    );
    assert.equal(code, 1);
    assert.ok(!existsSync(other));
  });

  test("reset edge asks first, and does nothing without a yes", async () => {
    const { code, stderr } = await keadm("reset", "edge", "--root-dir", host);
    assert.match(stderr, /removes \S+host\/etc\/kubeedge, .*nothing was changed/);
    assert.equal(code, 1);
    assert.ok(existsSync(join(host, "etc/kubeedge/config/edgecore.yaml")));
  });

  test("reset edge stops the agent, ends its pods and leaves nothing; twice is no error", async () => {
    await cloud.kube.create(PODS, sleeper("left-behind", NODE), AbortSignal.timeout(5_000));
    await waitForObject(
      cloud.kube,
      PODS,
      { namespace: NAMESPACE, name: "left-behind" },
      (pod) => pod?.status?.phase === "Running",
    );
    const { code, stderr } = await keadm("reset", "edge", "--force", "--root-dir", host);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /kubectl delete node edge-by-keadm/, "U9: the Node object that is left is told");
    assert.deepEqual(readdirIfThere(host), []);
    assert.deepEqual(await containerd.client.runtime.listPodSandboxes({}, AbortSignal.timeout(5_000)), []);
    assert.equal((await keadm("reset", "edge", "--force", "--root-dir", host)).code, 0);
  });
});

function readdirIfThere(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}
