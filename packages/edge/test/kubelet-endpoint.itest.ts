import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";
import { TestKubeletEndpoint } from "./kubelet-harness.ts";

const skip = TestContainerd.missing();
const options = { timeout: 90_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;
let edged: TestEdged;
let kubelet: TestKubeletEndpoint;

before(async () => {
  if (skip !== false) return;
  containerd = scope.use(await TestContainerd.start());
  edged = scope.use(await startTestEdged(containerd));
  kubelet = scope.use(await TestKubeletEndpoint.start(containerd, edged));
  edged.meta.apply(
    podOf("web", `echo started; mkdir -p /www; echo page > /www/index.html; httpd -p 8080 -h /www; ${SERVE}`),
  );
  await edged.meta.untilReady("web");
});
after(() => scope.disposeAsync());

const signal = () => AbortSignal.timeout(30_000);

test("healthz, pods, runningpods, configz", options, async () => {
  for (const path of ["/healthz/ping", "/healthz/log", "/healthz/syncloop"])
    assert.equal(await kubelet.text(path), "ok");
  const pods = (await (await kubelet.get("/pods")).json()) as { kind: string; items: { metadata: { name: string } }[] };
  assert.equal(pods.kind, "PodList");
  assert.ok(pods.items.some(({ metadata }) => metadata.name === "web"));
  const running = await kubelet.text("/runningpods/");
  assert.match(running, /"name":"web"/);
  assert.deepEqual(
    JSON.parse(await kubelet.text("/configz")),
    { kubeletconfig: { maxPods: 110 } },
    "credentials are hidden",
  );
});

test("logs of a container, of one that waits, and of one that is not there", options, async () => {
  const { meta } = edged;
  assert.equal(await kubelet.text("/containerLogs/default/web/app"), "started\n");
  assert.match(await kubelet.text("/containerLogs/default/web/app?timestamps=true"), /^\d{4}-\S+ started\n$/);
  for (const [path, status, says] of [
    ["/containerLogs/default/nobody/app", 404, /pod "default\/nobody" is not on this node/],
    ["/containerLogs/default/web/other", 404, /container "other" not found in pod "web"/],
    ["/containerLogs/default/web/app?previous=true", 400, /previous terminated container "app" in pod "web" not found/],
    ["/containerLogs/default/web/app?tailLines=x", 400, /tailLines/],
  ] as const) {
    const response = await kubelet.get(path);
    assert.match(await response.text(), says);
    assert.equal(response.status, status);
  }
  meta.apply(
    podOf("pulls", "true", { containers: [{ name: "app", image: "kedge.local/none:1", imagePullPolicy: "Never" }] }),
  );
  await meta.until(
    () => meta.get("pulls")?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "ErrImageNeverPull",
  );
  const response = await kubelet.get("/containerLogs/default/pulls/app");
  assert.equal(response.status, 400);
  assert.match(await response.text(), /container "app" in pod "pulls" is waiting to start: ErrImageNeverPull/);
});

test("logs of the run before, and of the run that is", options, async () => {
  const { meta } = edged;
  meta.apply(
    podOf("again", "if [ -e /tmp-done/x ]; then echo second; sleep 600; fi; touch /tmp-done/x; echo first; exit 3", {
      volumes: [{ name: "done", emptyDir: {} }],
      containers: [
        {
          name: "app",
          image: TEST_IMAGE,
          command: ["sh", "-c", `if [ -e /done/x ]; then echo second; ${SERVE}; fi; touch /done/x; echo first; exit 3`],
          volumeMounts: [{ name: "done", mountPath: "/done" }],
        },
      ],
    }),
  );
  await meta.until(() => {
    const [status] = meta.get("again")?.status?.containerStatuses ?? [];
    return status?.restartCount === 1 && status.state?.running !== undefined;
  }, 40_000);
  assert.equal(await kubelet.text("/containerLogs/default/again/app?previous=true"), "first\n");
  const now = await kubelet.get("/containerLogs/default/again/app?follow=true&tailLines=1");
  const reader = now.body?.getReader();
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), "second\n");
  await reader?.cancel();
});

test(
  "follows a log through a rotation by the runtime until the container ends, and loses no line",
  options,
  async () => {
    const { meta, config } = edged;
    const LINES = 4_000;
    const pod = meta.apply(
      podOf("busy", `i=0; while [ $i -lt ${LINES} ]; do echo line $i; i=$((i+1)); done`, { restartPolicy: "Never" }),
    );
    await meta.until(
      () =>
        (meta.get("busy")?.status?.containerStatuses?.length ?? 0) > 0 && meta.get("busy")?.status?.phase !== "Pending",
    );
    const uid = pod.metadata?.uid ?? "";
    const [container] = await containerd.client.runtime.listContainers({ "io.kubernetes.pod.uid": uid }, signal());
    const response = await kubelet.get("/containerLogs/default/busy/app?follow=true");
    const log = join(config.podLogsDirectory, `default_busy_${uid}`, "app", "0.log");
    await rename(log, `${log}.20260101-000000`);
    await containerd.client.runtime.reopenContainerLog(container?.id ?? "", signal()).catch(() => undefined); // it may have ended
    const read = await response.text();
    assert.equal(read, Array.from({ length: LINES }, (_, line) => `line ${line}\n`).join(""));
  },
);

test("exec: output, errors, exit code, standard input", options, async () => {
  const script = encodeURIComponent("cat; echo out; echo err >&2; exit 7");
  const client = await kubelet.open(`/exec/default/web/app?command=sh&command=-c&command=${script}&output=1&error=1`);
  const status = await client.status();
  assert.equal(client.output, "out\n");
  assert.equal(client.errors, "err\n");
  assert.equal(status.reason, "NonZeroExitCode");
  assert.equal(status.details?.causes?.[0]?.message, "7");
  const echo = await kubelet.open("/exec/default/web/app?command=head&command=-n1&input=1&output=1");
  echo.type("typed\n");
  await echo.until(() => echo.output === "typed\n");
  assert.equal((await echo.status()).status, "Success");
});

test("exec with a terminal: its size follows the client's", options, async () => {
  const client = await kubelet.open("/exec/default/web/app?command=sh&input=1&output=1&tty=1");
  client.resize(93, 37);
  client.type("while [ \"$(stty size)\" != '37 93' ]; do sleep 0.1; done; echo size $(stty size)\n");
  await client.until(() => /^size 37 93\r$/m.test(client.output));
  client.type("exit 4\n");
  assert.equal((await client.status()).details?.causes?.[0]?.message, "4");
});

test("exec refuses clearly what cannot be", options, async () => {
  for (const [path, status, says] of [
    ["/exec/default/web/app?command=sh&output=1", 400, /unable to upgrade/],
    ["/exec/default/web/none?command=sh&output=1", 400, /unable to upgrade/],
  ] as const) {
    const response = await kubelet.get(path, { method: "POST" });
    assert.equal(response.status, status);
    assert.match(await response.text(), says);
  }
  for (const [path, status] of [
    ["/exec/default/web/none?command=sh&output=1", 404],
    ["/exec/default/nobody/app?command=sh&output=1", 404],
    ["/exec/default/web/app?output=1", 400],
    ["/exec/default/web/app?command=sh", 400],
  ] as const)
    await assert.rejects(kubelet.open(path), new RegExp(`Unexpected server response: ${status}`));
});

test("run: what a command wrote", options, async () => {
  const response = await kubelet.get("/run/default/web/app?cmd=echo+ran", { method: "POST" });
  assert.equal(await response.text(), "ran\n");
  assert.equal((await kubelet.get("/run/default/web/app?cmd=false", { method: "POST" })).status, 500);
});

test("attach: to the process itself", options, async () => {
  const { meta } = edged;
  const command = ["sh", "-c", "while read line; do echo got $line; done"];
  meta.apply(podOf("reads", "", { containers: [{ name: "app", image: TEST_IMAGE, command, stdin: true }] }));
  await meta.untilReady("reads");
  const client = await kubelet.open("/attach/default/reads/app?input=1&output=1");
  client.type("this\n");
  await client.until(() => client.output === "got this\n");
  client.socket.close();
});

test("port-forward: bytes to a port of the pod and back", options, async () => {
  const client = await kubelet.open("/portForward/default/web?ports=8080");
  client.send(0, "GET /index.html HTTP/1.0\r\n\r\n");
  // The first two bytes of each stream are the port.
  await client.until(() => client.bytes(0).includes("page\n"));
  assert.equal(client.bytes(0).readUInt16LE(0), 8080);
  assert.match(client.bytes(0).toString(), /HTTP\/1\.[01] 200 OK/);
  client.socket.close();
  await assert.rejects(kubelet.open("/portForward/default/web?ports=0"), /400/);
});

test("stats and metrics tell what node, pods and containers take", options, async () => {
  const summary = (await (await kubelet.get("/stats/summary")).json()) as Summary;
  const web = summary.pods.find(({ podRef }) => podRef.name === "web");
  assert.equal(summary.node.nodeName, "edge-1");
  assert.ok(summary.node.cpu.usageCoreNanoSeconds > 0);
  assert.ok(summary.node.memory.workingSetBytes > 0);
  assert.ok(summary.node.fs.capacityBytes > 0 && summary.node.runtime.imageFs.capacityBytes > 0);
  assert.ok(web !== undefined && web.memory.workingSetBytes > 0);
  const [app] = web.containers;
  assert.equal(app?.name, "app");
  assert.ok((app?.cpu.usageCoreNanoSeconds ?? 0) > 0);
  assert.ok((app?.memory.workingSetBytes ?? 0) > 0);
  assert.ok((app?.logs.usedBytes ?? 0) > 0);
  assert.ok(web.network.interfaces.some(({ name }) => name === "eth0"));
  assert.ok(web.process_stats.process_count > 0);
  const small = await kubelet.text("/stats/summary?only_cpu_and_memory=true");
  assert.doesNotMatch(small, /"fs"|"network"|"volume"/);
  const resource = await kubelet.text("/metrics/resource");
  assert.match(
    resource,
    /^container_cpu_usage_seconds_total\{container="app",namespace="default",pod="web"\} [\d.e-]+ \d{13}$/m,
  );
  assert.match(
    resource,
    /^container_memory_working_set_bytes\{container="app",namespace="default",pod="web"\} [1-9]\d* \d{13}$/m,
  );
  assert.match(resource, /^pod_memory_working_set_bytes\{namespace="default",pod="web"\} [1-9]\d* \d{13}$/m);
  assert.match(resource, /^node_cpu_usage_seconds_total [\d.]+ \d{13}$/m);
  assert.match(resource, /^scrape_error 0$/m);
  const cadvisor = await kubelet.text("/metrics/cadvisor");
  assert.match(cadvisor, /^container_cpu_usage_seconds_total\{container="app",.*pod="web",cpu="total"\}/m);
  assert.match(cadvisor, /^machine_cpu_cores \d+$/m);
  assert.equal((await kubelet.get("/metrics/probes")).status, 200);
});

test("a restarted agent serves the logs of containers that it took over", options, async () => {
  await edged.restart(); // and asked at once, before it knows of any pod
  assert.equal(await kubelet.text("/containerLogs/default/web/app"), "started\n");
});

interface Usage {
  readonly cpu: { readonly usageCoreNanoSeconds: number };
  readonly memory: { readonly workingSetBytes: number };
}

interface Summary {
  readonly node: Usage & {
    readonly nodeName: string;
    readonly fs: { readonly capacityBytes: number };
    readonly runtime: { readonly imageFs: { readonly capacityBytes: number } };
  };
  readonly pods: readonly (Usage & {
    readonly podRef: { readonly name: string };
    readonly containers: readonly (Usage & { readonly name: string; readonly logs: { readonly usedBytes: number } })[];
    readonly network: { readonly interfaces: readonly { readonly name: string }[] };
    readonly process_stats: { readonly process_count: number };
  })[];
}
