import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { loadCloudCoreConfig } from "@kedge/api";
import { SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type CheckResult, silentLogger, systemClock } from "@kedge/runtime";
import { freePort, TestKubernetes } from "@kedge/testing";
import { startCloudCore } from "../src/cloudcore.ts";
import { examineCloud } from "../src/doctor/cloud-doctor.ts";
import { startKubernetes } from "./cloud-fixture.ts";

const options = { skip: TestKubernetes.missing(), timeout: 90_000 };
const program = new URL("../src/cloudcore-main.ts", import.meta.url).pathname;
const address = "127.0.0.1";
const dir = mkdtempSync(join(tmpdir(), "kedge-cloud-doctor-"));
let kubernetes: TestKubernetes;
let kube: KubeClient;
let ports: { websocket: number; https: number; monitor: number; tunnel: number; stream: number };

before(async () => {
  if (options.skip !== false) return;
  kubernetes = await startKubernetes();
  kube = kubernetes.connect();
  const [websocket, https, monitor] = [await freePort(), await freePort(), await freePort()];
  ports = { websocket, https, monitor, tunnel: await freePort(), stream: await freePort() };
});
after(async () => {
  await kube?.[Symbol.asyncDispose]();
  await kubernetes?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

function configuration(hub: Record<string, unknown> = {}, kubeConfig = kubernetes.adminKubeconfig) {
  return {
    apiVersion: "cloudcore.config.kubeedge.io/v1alpha2",
    kind: "CloudCore",
    commonConfig: { monitorServer: { bindAddress: `${address}:${ports.monitor}` } },
    kubeAPIConfig: { kubeConfig },
    modules: {
      cloudHub: {
        advertiseAddress: [address],
        tlsCAFile: join(dir, "ca.crt"),
        tlsCAKeyFile: join(dir, "ca.key"),
        tlsCertFile: join(dir, "server.crt"),
        tlsPrivateKeyFile: join(dir, "server.key"),
        websocket: { address, port: ports.websocket },
        https: { address, port: ports.https },
        ...hub,
      },
      cloudStream: { address, tunnelPort: ports.tunnel, streamPort: ports.stream },
    },
  };
}

async function examine(config: object): Promise<Map<string, CheckResult["finding"]>> {
  const file = join(dir, `cloudcore-${Math.random()}.yaml`);
  writeFileSync(file, JSON.stringify(config));
  const results = await examineCloud(file, AbortSignal.timeout(60_000));
  return new Map(results.map(({ name, finding }) => [name, finding]));
}

const startCloud = () => {
  const { config } = loadCloudCoreConfig(configuration(), { hostname: "cloud", localIP: address });
  return startCloudCore(config, { kube, logger: silentLogger, clock: systemClock }, AbortSignal.timeout(80_000));
};

const wrong = (findings: Map<string, CheckResult["finding"]>) =>
  [...findings].filter(([, { state }]) => state !== "ok").map(([name, finding]) => `${name}: ${finding.detail}`);

test("before the first start only the token is missing; while cloudcore runs all is well", options, async () => {
  const fresh = await examine(configuration());
  assert.deepEqual(wrong(fresh), ["token: Secret kubeedge/tokensecret is not there, so no node can join"]);
  assert.match(fresh.get("ca")?.detail ?? "", /there is none yet/);
  {
    await using cloud = await startCloud();
    const running = await examine(configuration());
    assert.deepEqual(wrong(running), []);
    assert.match(running.get("monitor")?.detail ?? "", /runs and is ready/);
    assert.equal(
      running.get("ports")?.detail,
      Object.entries(cloud.ports)
        .filter(([name]) => name !== "monitor")
        .map(([, port]) => `${port} is cloudcore's`)
        .join(", "),
    );
    assert.match(running.get("nodes")?.detail ?? "", /^0 edge nodes, 0 connected here \(limit 500\)$/);
    assert.match(running.get("token")?.detail ?? "", /lets nodes join until /);

    const other = await examine(configuration({ advertiseAddress: [address, "192.0.2.9"] }));
    assert.match(other.get("server-certificate")?.detail ?? "", /does not name 192\.0\.2\.9 \(it names IP Address:127/);
  }
  const stopped = await examine(configuration());
  assert.deepEqual(wrong(stopped), []);
  assert.match(stopped.get("monitor")?.detail ?? "", /does not run here/);
  assert.match(stopped.get("ports")?.detail ?? "", /is free/);
});

test("an expired token, and one of another CA, are found", options, async () => {
  await using cloud = await startCloud();
  assert.ok(cloud.ports.https > 0);
  const key = { namespace: "kubeedge", name: "tokensecret" };
  const signal = AbortSignal.timeout(20_000);
  const good = await kube.get(SECRETS, key, signal);
  const [hash = ""] = Buffer.from(good.data?.["tokendata"] ?? "", "base64")
    .toString()
    .split(".");
  const claims = Buffer.from(JSON.stringify({ exp: 1 })).toString("base64url");
  for (const [token, says] of [
    [`${hash}.e30.${claims}.c2ln`, /expired at 1970-01-01T00:00:01\.000Z/],
    [`${"0".repeat(64)}.e30.${claims}.c2ln`, /is of another CA than the one in use/],
    ["nonsense", /holds no join token/],
  ] as const) {
    const body = { data: { tokendata: Buffer.from(token).toString("base64") } };
    await kube.patch(SECRETS, key, { type: "merge", body }, signal);
    const finding = (await examine(configuration())).get("token");
    assert.equal(finding?.state, "failed");
    assert.match(finding.detail, says);
  }
});

test("a port that another program has is found", options, async () => {
  const taken = createServer().listen(0, address);
  await once(taken, "listening");
  const where = taken.address();
  assert.ok(where !== null && typeof where === "object");
  try {
    const finding = (await examine(configuration({ websocket: { address, port: where.port } }))).get("ports");
    assert.equal(finding?.state, "failed");
    assert.match(finding.detail, /is taken by a program that is not this cloudcore/);
  } finally {
    taken.close();
  }
});

test("rights that are missing are named, with the manifest that grants them", options, async () => {
  const nobody = await kubernetes.kubeconfigFor("nobody");
  const finding = (await examine(configuration({}, nobody))).get("rights");
  assert.equal(finding?.state, "failed");
  assert.match(finding.detail, /^may not: .*certificatesigningrequests\.certificates\.k8s\.io.* and \d+ more$/);
  assert.equal("fix" in finding && finding.fix, "kubectl apply -f manifests/cloudcore/10-rbac.yaml");
});

test("CRDs that are missing or too old are named", options, async () => {
  await kubernetes.kubectl("delete", "crd", "objectsyncs.reliablesyncs.kubeedge.io");
  const finding = (await examine(configuration())).get("crds");
  assert.deepEqual(finding, {
    state: "failed",
    detail: "objectsyncs.reliablesyncs.kubeedge.io is not installed",
    fix: "kubectl apply -f manifests/crds/",
  });
  await kubernetes.kubectl("apply", "-f", new URL("../../../manifests/crds/", import.meta.url).pathname);
  await kubernetes.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s");
});

test("without an API server, and without a file, it says so and goes on", options, async () => {
  const findings = await examine(configuration({}, join(dir, "nowhere.kubeconfig")));
  assert.match(findings.get("api")?.detail ?? "", /cannot read kubeconfig .*nowhere\.kubeconfig/);
  assert.equal(findings.get("rights")?.state, "skipped");

  const run = promisify(execFile)(process.execPath, [
    program,
    "doctor",
    "--config",
    join(dir, "no.yaml"),
    "-o",
    "json",
  ]);
  const failed = await run.then(
    () => assert.fail("it should have failed"),
    (error: { code: number; stdout: string }) => error,
  );
  assert.equal(failed.code, 1);
  const report = JSON.parse(failed.stdout) as { ok: boolean; checks: { name: string; state: string; fix?: string }[] };
  assert.equal(report.ok, false);
  assert.match(report.checks[0]?.fix ?? "", /cloudcore --minconfig > /);
  assert.ok(report.checks.slice(1).every(({ state }) => state === "skipped"));
});

test("readiness means it: no API server, not ready", options, async () => {
  await using cloud = await startCloud();
  const ready = async () => {
    const response = await fetch(`http://${address}:${cloud.ports.monitor}/readyz`);
    return { status: response.status, text: await response.text() };
  };
  assert.deepEqual(await ready(), {
    status: 200,
    text: "[+]started all parts run\n[+]kube-api the API server answers\nready\n",
  });
  await kubernetes.killApiserver();
  const until = async (status: number) => {
    const signal = AbortSignal.timeout(30_000);
    for (;;) {
      const answer = await ready();
      if (answer.status === status) return answer.text;
      signal.throwIfAborted();
    }
  };
  assert.match(await until(503), /^\[\+\]started .*\n\[-\]kube-api the API server does not answer: .*\nnot ready\n$/);
  await kubernetes.startApiserver();
  assert.match(await until(200), /ready/);
});
