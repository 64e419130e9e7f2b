import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { gunzipSync } from "node:zlib";
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
  let single: string;
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
      `modules.edged.tailoredKubeletConfig.cgroupRoot=${cgroup},modules.edged.tailoredKubeletConfig.readOnlyPort=${await freePort()}`,
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

  const config = () => readFileSync(join(host, "etc/kubeedge/config/edgecore.yaml"), "utf8");
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
      says: /refused the join token of node \S+ the join token was not made by this cluster: take the current one/,
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
      name: "an address that cloudcore's certificate does not have",
      args: () => ["-e", `127.0.0.2:${cloud.ports.cloudHub}`],
      says: /the certificate of https:\/\/127\.0\.0\.2:\d+ is for another name: add this one to advertiseAddress/,
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

  test("a join whose agent gives up tells the agent's own reason", async () => {
    single = (await keadm("token", "create", "--single-use", "--kube-config", cloud.kubeconfig)).stdout.trim();
    const { code, stderr } = await joinHost("-t", single, "--set", "modules.edgeHub.httpServer=http://no-tls:1");
    assert.match(stderr, /edgecore gave up: .*httpServer must be/);
    assert.equal(code, 1);
  });

  test("FIX: what failed half-way goes on with the next join, without a reset; it returns when the node is Ready", async (context) => {
    const started = performance.now();
    // A token of one use has served; what it gave is there.
    const { code, stderr, stdout } = await joinHost("-t", single, "-o", "json");
    assert.equal(code, 0, stderr);
    context.diagnostic(`joined after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    const node = await cloud.kube.get(NODES, { name: NODE }, AbortSignal.timeout(5_000));
    const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
    assert.equal(ready?.status, "True", "the node is Ready when join returns");
    const result = JSON.parse(stdout) as { node: string; config: string; checks: { ok: boolean }[] };
    assert.equal(result.node, NODE);
    assert.ok(result.checks.length > 5 && result.checks.every(({ ok }) => ok));
  });

  test("a token that is used up is told", async () => {
    const other = join(dir, "late-host");
    const { code, stderr } = await joinHost("-t", single, "-i", "late", "--root-dir", other);
    assert.match(stderr, /refused the join token of node late: .*used/);
    assert.equal(code, 1);
  });

  test("FIX: no token is on the disk, and only root reads keys and configuration", () => {
    for (const file of readdirIfThere(host)) {
      if (!/\.(yaml|before|failed|conf|log|crt|pid)$/.test(file)) continue;
      for (const secret of [token, single])
        assert.ok(!readFileSync(join(host, file), "utf8").includes(secret.slice(65)), file);
    }
    for (const file of ["etc/kubeedge/config/edgecore.yaml", "etc/kubeedge/certs/server.key"])
      assert.equal(statSync(join(host, file)).mode & 0o077, 0, file);
  });

  test("U5: the same join again finds the node as it is, and goes on", async () => {
    const { code, stderr } = await joinHost("-l", "site=north");
    assert.equal(code, 0, stderr);
    await waitForNode(cloud.kube, NODE, "True");
  });

  const agentPid = () =>
    (JSON.parse(readFileSync(join(host, "var/lib/kubeedge/edgecore.pid"), "utf8")) as { pid: number }).pid;

  test("FIX: a join on a node that is Ready, without a former --set, changes nothing", async () => {
    const [pid, before] = [agentPid(), config()];
    const { code, stderr, stdout } = await keadm(
      "join",
      ...flags.filter((flag) => !settings.includes(flag)),
      "-o",
      "json",
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /node edge-by-keadm is Ready, with these very settings: nothing changes/);
    assert.equal((JSON.parse(stdout) as { changed: boolean }).changed, false);
    assert.deepEqual([agentPid(), config()], [pid, before]);
  });

  test("FIX: a join whose agent gives up brings file and agent from before back", async () => {
    const before = config();
    const beforeThat = readFileSync(join(host, "etc/kubeedge/config/edgecore.yaml.before"), "utf8");
    // httpServer follows from -e and --certport, so that --set is what breaks it.
    const { code, stderr } = await joinHost("--set", "modules.edgeHub.httpServer=http://no-tls:1");
    assert.equal(code, 1);
    assert.match(
      stderr,
      /edgecore gave up: .*[^]*The configuration from before is in place again, and edgecore runs with it/,
    );
    assert.equal(config(), before);
    assert.equal(readFileSync(join(host, "etc/kubeedge/config/edgecore.yaml.before"), "utf8"), beforeThat);
    await waitForNode(cloud.kube, NODE, "True");
    const again = await joinHost();
    assert.equal(again.code, 0, again.stderr);
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

  const onHost = (...args: string[]) => keadm(...args, "--root-dir", host);

  test("config-update changes the file, keeps comments, and the node is Ready again", async () => {
    const { code, stderr } = await onHost("config-update", "--set", "modules.edged.nodeLabels.site=south");
    assert.equal(code, 0, stderr);
    assert.match(config(), /site: south/);
    assert.match(config(), /^# Written by keadm join/);
  });

  test("config-update that the agent cannot live with is taken back", async () => {
    const before = config();
    const { code, stderr } = await onHost("config-update", "--set", "modules.edgeHub.httpServer=http://no-tls:1");
    assert.equal(code, 1);
    assert.match(stderr, /edgecore gave up: .*httpServer must be[^]*The configuration from before is in place again/);
    assert.equal(config(), before);
    assert.match((await onHost("config-update", "--set", "modules.edged.nodIP=1")).stderr, /there is no such key/);
    assert.equal(config(), before);
  });

  test("FIX: config-update with which a connected node is not Ready in time is taken back", async () => {
    const before = config();
    const nowhere = `modules.edgeHub.websocket.server=127.0.0.1:${await freePort()}`;
    const { code, stderr } = await onHost("config-update", "--set", nowhere, "--timeout", "4");
    assert.equal(code, 1);
    assert.match(stderr, /waiting up to 4 s for node edge-by-keadm to be Ready/);
    assert.match(stderr, /did not become Ready within 4 s[^]*The configuration from before is in place again/);
    assert.equal(config(), before);
    await waitForNode(cloud.kube, NODE, "True");
  });

  test("debug get reads the database beside the agent; diagnose finds the node well", async () => {
    const database = join(host, "var/lib/kubeedge/edgecore.db");
    const { stdout, stderr } = await keadm("debug", "get", "node", "-p", database);
    assert.match(stdout, /edge-by-keadm +Ready/, stderr);
    const diagnosed = await onHost("debug", "diagnose", "node");
    assert.equal(diagnosed.code, 0, diagnosed.stdout);
    const pod = await onHost("debug", "diagnose", "pod", "none");
    assert.equal(pod.code, 1, "U8");
    assert.match(pod.stdout, /✗ pod default\/none: the node does not know it/);
  });

  test("FIX: debug collect packs no keys and no tokens, for root alone", async () => {
    const { stdout, stderr, code } = await onHost("debug", "collect", "-o", join(dir, "collected"));
    assert.equal(code, 0, stderr);
    const archive = stdout.trim();
    assert.equal(statSync(archive).mode & 0o777, 0o600);
    assert.equal(statSync(join(dir, "collected")).mode & 0o777, 0o700);
    const bytes = gunzipSync(readFileSync(archive)).toString("latin1");
    assert.match(bytes, /edgecore\.yaml[^]*objects\.json[^]*log\/edgecore\.log/);
    assert.doesNotMatch(bytes, /PRIVATE KEY|eyJ[\w-]{10,}\./);
  });

  test("upgrade edge makes a backup, and rollback edge goes back to it", async () => {
    const asked = await onHost("upgrade", "edge");
    assert.match(asked.stderr, /edgecore is v(\S+) already; it will be installed and started anew\. Go on\?/);
    assert.equal(asked.code, 1);
    const upgraded = await onHost("upgrade", "edge", "--force");
    assert.equal(upgraded.code, 0, upgraded.stderr);
    assert.match(upgraded.stderr, /waiting up to 120 s for node edge-by-keadm to be Ready in the cluster/);
    const report = JSON.parse(readFileSync(join(host, "etc/kubeedge/upgrade_report.json"), "utf8")) as object;
    assert.deepEqual(Object.keys(report), ["event", "success", "fromVersion", "toVersion", "errorMessage"]);
    const before = config();
    await onHost("config-update", "--set", "modules.edged.nodeLabels.site=west");
    const back = await onHost("rollback", "edge");
    assert.equal(back.code, 0, back.stderr);
    assert.match(back.stderr, /going back to \S+ .*[^]*waiting up to 120 s/);
    assert.equal(config(), before);
    assert.equal((await onHost("backup", "edge")).code, 0);
    const listed = JSON.parse((await onHost("rollback", "edge", "--list", "-o", "json")).stdout) as object[];
    assert.equal(listed.length, 2, "a backup overwrites none");
    assert.match(
      (await onHost("rollback", "edge", "--historical-version", "v0.0.1")).stderr,
      /no backup of v0\.0\.1 is in .*there are/,
    );
    assert.match(
      (await onHost("upgrade", "edge", "--toVersion", "v99.0.0")).stderr,
      /run the keadm of the release that you want/,
    );
    await waitForNode(cloud.kube, NODE, "True");
  });

  test("FIX: an upgrade after which the node does not become Ready is taken back", async () => {
    await cloud.kill();
    const { code, stderr } = await onHost("upgrade", "edge", "--force", "--timeout", "3");
    assert.equal(code, 1);
    assert.match(stderr, /did not become Ready within 3 s[^]*edgecore v\S+ is in place again/);
    const report = readFileSync(join(host, "etc/kubeedge/upgrade_report.json"), "utf8");
    assert.equal((JSON.parse(report) as { success: boolean }).success, false);
    assert.match((await onHost("debug", "diagnose", "node")).stdout, /✓ edgecore: runs/);
    await cloud.start();
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
