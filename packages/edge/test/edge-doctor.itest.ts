import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type CheckResult, UP_CONFIG_HEADER } from "@kedge/runtime";
import { freePort, TestContainerd } from "@kedge/testing";
import { examineEdge } from "../src/doctor/edge-doctor.ts";
import { savePair, saveCa } from "../src/edgehub/certificate-files.ts";
import { TestAuthority, TestCloud } from "../src/edgehub/test-cloud.test-data.ts";
import { EdgeCoreProcess } from "./edgecore-process.test-data.ts";

const TIMEOUT = { timeout: 60_000 };
const PROGRAM = fileURLToPath(new URL("../src/edgecore-main.ts", import.meta.url));

async function examine(agent: EdgeCoreProcess): Promise<Map<string, CheckResult["finding"]>> {
  const results = await examineEdge(agent.config, AbortSignal.timeout(50_000));
  return new Map(results.map(({ name, finding }) => [name, finding]));
}

function change(agent: EdgeCoreProcess, from: string | RegExp, to: string): void {
  const before = readFileSync(agent.config, "utf8");
  const after = before.replaceAll(from instanceof RegExp ? new RegExp(from, "g") : from, to);
  assert.notEqual(after, before);
  writeFileSync(agent.config, after);
}

const paths = ({ folder }: EdgeCoreProcess) => ({
  caFile: join(folder, "pki/rootCA.crt"),
  certFile: join(folder, "pki/server.crt"),
  keyFile: join(folder, "pki/server.key"),
});

interface Case {
  readonly name: string;
  /** The check that must find it. */
  readonly check: string;
  readonly state: "failed" | "warning" | "ok";
  readonly detail: RegExp;
  readonly fix?: RegExp;
  readonly arrange: (agent: EdgeCoreProcess, cloud: TestCloud, scope: AsyncDisposableStack) => unknown;
  readonly validity?: Parameters<typeof TestCloud.start>[0];
}

const CLIENT = "CN=system:node:edge-1";
const HOUR_MS = 3_600_000;
const at = (fromMs: number, untilMs: number) => ({
  notBefore: new Date(Date.now() + fromMs),
  notAfter: new Date(Date.now() + untilMs),
});

const cases: readonly Case[] = [
  {
    name: "a file that is not there",
    check: "config",
    state: "failed",
    detail: /cannot be read: ENOENT/,
    fix: /edgecore --minconfig > /,
    arrange: (agent) => Object.assign(agent, { config: join(agent.folder, "no.yaml") }),
  },
  {
    name: "a value that cannot be",
    check: "config",
    state: "failed",
    detail: /modules\.edgeHub\.heartbeat: is "x", must be a whole number/,
    fix: /--minconfig shows/,
    arrange: (agent) => change(agent, "heartbeat: 15", "heartbeat: x"),
  },
  {
    name: "a key that nobody knows",
    check: "config",
    state: "warning",
    detail: /unknown key modules\.nonsense/,
    arrange: (agent) => writeFileSync(agent.config, `${readFileSync(agent.config, "utf8")}  nonsense: 1\n`),
  },
  {
    name: "a name that no node can have",
    check: "node-name",
    state: "failed",
    detail: /"Edge_1" is no node name/,
    fix: /hostnameOverride/,
    arrange: (agent) => change(agent, "hostnameOverride: edge-1", "hostnameOverride: Edge_1"),
  },
  {
    name: "a runtime that is away",
    check: "runtime",
    state: "failed",
    detail: /there is no socket at unix:\/\/\/nowhere\.sock/,
    fix: /install and start containerd/,
    arrange: (agent) =>
      change(
        agent,
        /enable: false\n {4}hostnameOverride: edge-1/,
        "hostnameOverride: edge-1\n    tailoredKubeletConfig: {containerRuntimeEndpoint: unix:///nowhere.sock}",
      ),
  },
  {
    name: "a name that does not resolve",
    check: "dns",
    state: "failed",
    detail: /the name in no\.such\.host\.invalid cannot be resolved.*httpServer/,
    fix: /getent hosts no\.such\.host\.invalid/,
    arrange: (agent) => change(agent, "127.0.0.1", "no.such.host.invalid"),
  },
  {
    name: "a port where nobody listens",
    check: "ports",
    state: "failed",
    detail: /nothing listens at 127\.0\.0\.1:\d+.*websocket\.server/,
    fix: /that cloudcore runs/,
    arrange: (_, cloud) => cloud.close(),
  },
  {
    name: "a certificate for another name",
    check: "tls",
    state: "failed",
    detail: /is for another name: .* \(it names IP Address:127\.0\.0\.1\)/,
    fix: /advertiseAddress or dnsNames in cloudcore\.yaml/,
    arrange: (agent) => change(agent, "127.0.0.1", "localhost"),
  },
  {
    name: "a token of another cloud",
    check: "tls",
    state: "failed",
    detail: /is not the cloud that the token is from/,
    fix: /keadm gettoken/,
    arrange: (agent, cloud) => change(agent, cloud.token, `${"0".repeat(64)}.${cloud.bearer}`),
  },
  {
    name: "a CA of another cloud",
    check: "tls",
    state: "failed",
    detail: /shows a certificate of another authority than ours/,
    fix: /join again with a new token/,
    arrange: async (agent, cloud) => {
      const other = await TestAuthority.create();
      saveCa(paths(agent), other.certificate.toString("pem"));
      savePair(paths(agent), await other.identity(CLIENT));
      change(agent, cloud.token, '""');
    },
  },
  {
    name: "a server whose certificate ended",
    check: "tls",
    state: "failed",
    detail: /has expired by this host's clock/,
    fix: /check the clock/,
    validity: at(-2 * HOUR_MS, -HOUR_MS),
    arrange: () => undefined,
  },
  {
    name: "no token and no certificate",
    check: "token",
    state: "failed",
    detail: /there is none/,
    fix: /join again: set modules\.edgeHub\.token/,
    arrange: (agent, cloud) => change(agent, cloud.token, '""'),
  },
  {
    name: "half a token",
    check: "token",
    state: "failed",
    detail: /malformed: copy it whole/,
    arrange: (agent, cloud) => change(agent, cloud.token, "abc.def"),
  },
  {
    name: "an expired token",
    check: "token",
    state: "failed",
    detail: /modules\.edgeHub\.token expired at 1970-01-01T00:00:01\.000Z/,
    fix: /keadm gettoken/,
    arrange: (agent, cloud) => change(agent, cloud.bearer, "eyJhIjoxfQ.eyJleHAiOjF9.x"),
  },
  {
    name: "a name that the cluster has already",
    check: "name-taken",
    state: "warning",
    detail: /the cluster has a node edge-1 already/,
    fix: /hostnameOverride here; .* kubectl delete node edge-1/,
    arrange: (_, cloud) => cloud.nodes.add("edge-1"),
  },
  {
    name: "a certificate of another node",
    check: "certificate",
    state: "failed",
    detail: /is for system:node:edge-2, but this node is edge-1/,
    arrange: async (agent, { authority }) => savePair(paths(agent), await authority.identity("CN=system:node:edge-2")),
  },
  {
    name: "an expired certificate",
    check: "certificate",
    state: "failed",
    detail: /expired at /,
    fix: /check the clock; if it is right, join again/,
    arrange: async (agent, { authority }) =>
      savePair(paths(agent), await authority.identity(CLIENT, at(-2 * HOUR_MS, -HOUR_MS))),
  },
  {
    name: "a certificate that was not renewed in time",
    check: "certificate",
    state: "warning",
    detail: /ends in 0 days and was not renewed/,
    fix: /start edgecore/,
    arrange: async (agent, { authority }) =>
      savePair(paths(agent), await authority.identity(CLIENT, at(-100 * HOUR_MS, HOUR_MS))),
  },
  {
    name: "a key that others can read",
    check: "certificate",
    state: "failed",
    detail: /can be read by others \(mode 644\)/,
    fix: /^chmod 600 /,
    arrange: async (agent, { authority }) => {
      savePair(paths(agent), await authority.identity(CLIENT));
      chmodSync(paths(agent).keyFile, 0o644);
    },
  },
  {
    name: "a key without its certificate",
    check: "certificate",
    state: "failed",
    detail: /are no pair/,
    arrange: async (agent, { authority }) => {
      const [one, other] = [await authority.identity(CLIENT), await authority.identity(CLIENT)];
      savePair(paths(agent), { cert: one.cert, key: other.key });
    },
  },
  {
    name: "a damaged database",
    check: "database",
    state: "failed",
    detail: /cannot be opened: file is not a database/,
    fix: /start edgecore/,
    arrange: (agent) => writeFileSync(agent.database, "this is no database, and longer than its header ".repeat(100)),
  },
  {
    name: "a broker that is away",
    check: "mqtt",
    state: "failed",
    detail: /no MQTT broker answers at 127\.0\.0\.1:1:/,
    fix: /mosquitto.*mqttMode to 0/,
    arrange: (agent) =>
      change(agent, /eventBus:\n {4}enable: false/, "eventBus:\n    mqttServerExternal: tcp://127.0.0.1:1"),
  },
  {
    name: "a taken MQTT port",
    check: "mqtt",
    state: "failed",
    detail: /is taken by another program/,
    fix: /ss -ltnp/,
    arrange: async (agent, _, scope) => {
      const taken = createServer().listen(0, "127.0.0.1");
      scope.defer(() => void taken.close());
      await once(taken, "listening");
      const address = taken.address();
      assert.ok(address !== null && typeof address === "object");
      const mqtt = `eventBus:\n    mqttMode: 0\n    mqttServerInternal: tcp://127.0.0.1:${address.port}`;
      change(agent, /eventBus:\n {4}enable: false/, mqtt);
    },
  },
];

for (const { name, check, state, detail, fix, arrange, validity } of cases)
  test(`${name} is found, with what to do`, TIMEOUT, async () => {
    await using scope = new AsyncDisposableStack();
    const cloud = scope.use(await TestCloud.start(validity));
    const agent = scope.use(new EdgeCoreProcess());
    agent.writeConfig(cloud);
    await arrange(agent, cloud, scope);
    const finding = (await examine(agent)).get(check);
    assert.equal(finding?.state, state, JSON.stringify(finding));
    assert.match(finding.detail, detail);
    if (fix !== undefined) assert.match("fix" in finding ? finding.fix : "", fix);
  });

test("before a node joins, and while its agent runs, all is well", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  const port = await freePort();
  change(agent, "edge-1", `edge-1\n    tailoredKubeletConfig: {readOnlyPort: ${port}}`);
  const before = await examine(agent);
  const wrong = [...before].filter(([name, { state }]) => name !== "agent" && state !== "ok" && state !== "skipped");
  assert.deepEqual(wrong, []);
  assert.match(before.get("certificate")?.detail ?? "", /not joined yet .*will join with the token/);
  assert.match(before.get("tls")?.detail ?? "", /named as dialled, by the CA that the token pins/);

  agent.start();
  await cloud.message("keepalive", "node");
  const running = await examine(agent);
  assert.match(running.get("connection")?.detail ?? "", /^connected since /);
  assert.match(running.get("database")?.detail ?? "", /in use by the running agent/);
  assert.match(running.get("certificate")?.detail ?? "", /is this node's, until /);
  assert.match(running.get("status-port")?.detail ?? "", /edgecore serves/);
});

test(
  "another agent at the same port is not taken for this one, and counts only with the same runtime",
  TIMEOUT,
  async () => {
    await using cloud = await TestCloud.start();
    await using other = new EdgeCoreProcess();
    await using agent = new EdgeCoreProcess();
    const port = await freePort();
    const enable = (one: EdgeCoreProcess) => {
      one.writeConfig(cloud);
      const folders = `podLogsDir: ${one.folder}/pods, staticPodPath: ${one.folder}/manifests`;
      const kubelet = `{readOnlyPort: ${port}, containerRuntimeEndpoint: "unix://${other.folder}/no.sock", ${folders}}`;
      const dirs = `rootDirectory: ${one.folder}/kubelet`;
      const edged = `hostnameOverride: edge-1\n    ${dirs}\n    tailoredKubeletConfig: ${kubelet}`;
      change(one, /enable: false\n {4}hostnameOverride: edge-1/, edged);
    };
    enable(other);
    enable(agent);
    other.start();
    await cloud.message("keepalive", "node");
    const same = await examine(agent);
    assert.equal(same.get("agent")?.state, "failed");
    const rival = `another edgecore runs on this host \\(process ${other.pid}, ${other.config}\\)`;
    assert.match(same.get("agent")?.detail ?? "", new RegExp(rival));
    assert.match(same.get("status-port")?.detail ?? "", /is taken by the agent of edge-1 \(process \d+\)/);
    assert.equal(same.get("connection")?.state, "skipped");

    change(agent, "no.sock", "another.sock");
    const apart = await examine(agent);
    assert.match(apart.get("agent")?.detail ?? "", new RegExp(`process ${other.pid} .* has a runtime of its own`));
    assert.equal(apart.get("agent")?.state, "ok");
  },
);

test("of a node of ./kedge up it says ./kedge up", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  change(
    agent,
    /enable: false\n {4}hostnameOverride: edge-1/,
    "hostnameOverride: edge-1\n    tailoredKubeletConfig: {containerRuntimeEndpoint: unix:///nowhere.sock}",
  );
  mkdirSync(join(agent.folder, "edge"));
  const config = join(agent.folder, "edge/edgecore.yaml");
  writeFileSync(config, `${UP_CONFIG_HEADER}\n${readFileSync(agent.config, "utf8")}`);
  const findings = await examine(Object.assign(agent, { config }));
  for (const name of ["agent", "runtime"])
    assert.partialDeepStrictEqual(findings.get(name), { fix: `./kedge up --state-dir ${agent.folder}` });
});

test("the program prints the same as JSON, and exits with 1 if a check fails", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  change(agent, "127.0.0.1", "localhost");
  const run = promisify(execFile)(process.execPath, [PROGRAM, "doctor", "--config", agent.config, "--output", "json"]);
  const failed = await run.then(
    () => assert.fail("a check should have failed"),
    (error: { code: number; stdout: string }) => error,
  );
  assert.equal(failed.code, 1);
  const report = JSON.parse(failed.stdout) as { ok: boolean; program: string; checks: { name: string; fix: string }[] };
  assert.equal(report.ok, false);
  assert.equal(report.program, "edgecore");
  assert.match(report.checks.find(({ name }) => name === "tls")?.fix ?? "", /advertiseAddress/);
});

test(
  "a file that is root's: run as root, and nothing that would overwrite it",
  { skip: process.getuid?.() === 0 ? false : "needs root", ...TIMEOUT },
  async () => {
    await using cloud = await TestCloud.start();
    await using agent = new EdgeCoreProcess();
    agent.writeConfig(cloud);
    let finding: CheckResult["finding"] | undefined;
    try {
      process.seteuid?.(65_534);
      finding = (await examine(agent)).get("config");
    } finally {
      process.seteuid?.(0);
    }
    assert.partialDeepStrictEqual(finding, {
      state: "failed",
      detail: `${agent.config} is not yours to read`,
      fix: "run as root: sudo, and the same command",
    });
  },
);

test("a damaged page of the database is found", TIMEOUT, async () => {
  await using cloud = await TestCloud.start();
  await using agent = new EdgeCoreProcess();
  agent.writeConfig(cloud);
  agent.start();
  await cloud.message("keepalive", "node");
  await agent.end("SIGTERM");
  truncateSync(agent.database, 4096);
  const finding = (await examine(agent)).get("database");
  assert.equal(finding?.state, "failed", JSON.stringify(finding));
});

test("a real runtime answers, and has a pod network", { skip: TestContainerd.missing(), ...TIMEOUT }, async () => {
  await using scope = new AsyncDisposableStack();
  const containerd = scope.use(await TestContainerd.start());
  const cloud = scope.use(await TestCloud.start());
  const agent = scope.use(new EdgeCoreProcess());
  agent.writeConfig(cloud);
  mkdirSync(join(agent.folder, "kubelet"));
  const kubelet = `tailoredKubeletConfig: {containerRuntimeEndpoint: "${containerd.endpoint}"}`;
  const edged = `hostnameOverride: edge-1\n    rootDirectory: ${agent.folder}/kubelet\n    ${kubelet}`;
  change(agent, /enable: false\n {4}hostnameOverride: edge-1/, edged);
  const findings = await examine(agent);
  assert.match(findings.get("runtime")?.detail ?? "", /^containerd \S+ at unix:/);
  for (const name of ["runtime", "cgroups", "network", "disk"]) assert.equal(findings.get(name)?.state, "ok", name);
});
