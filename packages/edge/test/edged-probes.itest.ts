import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Container, ContainerStatus, Pod, Probe } from "@kedge/kube";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const skip = TestContainerd.missing();
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;
let edged: TestEdged;

before(async () => {
  if (skip !== false) return;
  containerd = scope.use(await TestContainerd.start());
  edged = scope.use(await startTestEdged(containerd, { node: { hostIPs: () => ["127.0.0.1"] } }));
});
after(() => scope.disposeAsync());

/** Answers on 8080 with what lies in /www. */
const WEB = `mkdir -p /www; echo fine > /www/healthz; httpd -p 8080 -h /www; ${SERVE}`;
const FAST: Probe = { periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 5 };

function probed(name: string, script: string, facts: Partial<Container>, spec: Pod["spec"] | object = {}): Pod {
  return podOf(name, "", {
    containers: [{ name: "app", image: TEST_IMAGE, command: ["sh", "-c", script], ...facts }],
    ...spec,
  });
}

function statusOf(name: string, container = "app"): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = edged.meta.get(name)?.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].find((status) => status.name === container);
}

function conditionOf(name: string, type: string): string {
  const { status, reason, message } = edged.meta.get(name)?.status?.conditions?.find((one) => one.type === type) ?? {};
  return [status, reason, message].filter((word) => word !== undefined).join(" ");
}

function eventsOf(name: string, reason: string): string[] {
  return edged.meta.events
    .filter((event) => event.involvedObject.name === name && event.reason === reason)
    .map(({ message = "" }) => message);
}

async function inContainer(name: string, ...command: string[]): Promise<void> {
  const id = statusOf(name)?.containerID?.replace("containerd://", "") ?? "";
  await containerd.client.runtime.execSync(id, command, 5, AbortSignal.timeout(10_000));
}

test("a readiness probe over HTTP makes a container ready, and takes that back", options, async () => {
  const { meta } = edged;
  const readinessProbe = { ...FAST, httpGet: { path: "/healthz", port: "web" } };
  meta.apply(probed("http", WEB, { ports: [{ name: "web", containerPort: 8080 }], readinessProbe }));
  await meta.untilReady("http");
  assert.equal(statusOf("http")?.started, true);
  await inContainer("http", "rm", "/www/healthz");
  await meta.until(() => statusOf("http")?.ready === false);
  assert.equal(conditionOf("http", "Ready"), "False ContainersNotReady containers with unready status: [app]");
  assert.equal(
    conditionOf("http", "ContainersReady"),
    "False ContainersNotReady containers with unready status: [app]",
  );
  assert.deepEqual(
    eventsOf("http", "Unhealthy").at(-1),
    "Readiness probe failed: HTTP probe failed with statuscode: 404",
  );
  assert.equal(statusOf("http")?.restartCount, 0);
  await inContainer("http", "touch", "/www/healthz");
  await meta.untilReady("http");
});

test("a failed liveness probe restarts the container", options, async () => {
  const { meta } = edged;
  const livenessProbe = { ...FAST, exec: { command: ["cat", "/tmp/$(FILE)"] } };
  const env = [{ name: "FILE", value: "alive" }];
  meta.apply(probed("live", `touch /tmp/alive; ${SERVE}`, { env, livenessProbe }));
  await meta.untilReady("live");
  await inContainer("live", "rm", "/tmp/alive");
  await meta.until(() => statusOf("live")?.restartCount === 1 && statusOf("live")?.ready);
  assert.match(eventsOf("live", "Unhealthy")[0] ?? "", /^Liveness probe failed: cat: can't open '\/tmp\/alive'/);
  assert.ok(eventsOf("live", "Killing").includes("Container app failed liveness probe, will be restarted"));
});

test("nothing but the startup probe runs until it succeeds", options, async () => {
  const { meta } = edged;
  const never = { ...FAST, exec: { command: ["false"] } };
  const startupProbe = { ...FAST, failureThreshold: 30, exec: { command: ["cat", "/tmp/up"] } };
  const readinessProbe = { ...FAST, exec: { command: ["true"] } };
  meta.apply(probed("slow", SERVE, { startupProbe, livenessProbe: never, readinessProbe }));
  await meta.until(() => eventsOf("slow", "Unhealthy").length >= 1);
  assert.deepEqual([statusOf("slow")?.started, statusOf("slow")?.ready], [false, false]);
  assert.ok(eventsOf("slow", "Unhealthy").every((message) => message.startsWith("Startup probe failed")));
  await inContainer("slow", "touch", "/tmp/up");
  await meta.until(() => statusOf("slow")?.started === true && statusOf("slow")?.ready);
  await meta.until(() => statusOf("slow")?.restartCount === 1); // now liveness is asked, too
  meta.delete({ namespace: "default", name: "slow" }, 1);
});

test("a failed startup probe restarts the container, with the probe's own grace period", options, async () => {
  const { meta } = edged;
  const startupProbe = { ...FAST, terminationGracePeriodSeconds: 1, tcpSocket: { port: 81 } };
  const stubborn = "trap '' TERM; while :; do sleep 1; done";
  meta.apply(probed("hopeless", stubborn, { startupProbe }, { terminationGracePeriodSeconds: 60 }));
  await meta.until(() => statusOf("hopeless")?.lastState?.terminated?.exitCode === 137);
  assert.ok(eventsOf("hopeless", "Killing").includes("Container app failed startup probe, will be restarted"));
  assert.match(
    eventsOf("hopeless", "Unhealthy")[0] ?? "",
    /^Startup probe failed: dial tcp .*:81: connect: connection refused$/,
  );
  assert.equal(statusOf("hopeless")?.started, false);
  meta.delete({ namespace: "default", name: "hopeless" }, 1);
});

test("policy Never: a failed liveness probe ends the pod", options, async () => {
  const { meta } = edged;
  const livenessProbe = { ...FAST, tcpSocket: { port: 81 } };
  meta.apply(probed("once", SERVE, { livenessProbe }, { restartPolicy: "Never" }));
  await meta.until(() => ["Failed", "Succeeded"].includes(meta.get("once")?.status?.phase ?? ""));
  assert.deepEqual(eventsOf("once", "Killing"), ["Stopping container app"]);
  assert.match(eventsOf("once", "Unhealthy")[0] ?? "", /^Liveness probe failed: dial tcp /);
  assert.equal(statusOf("once")?.restartCount, 0);
});

test("an exec probe that takes too long fails", options, async () => {
  const { meta } = edged;
  const readinessProbe = { ...FAST, timeoutSeconds: 1, exec: { command: ["sleep", "30"] } };
  meta.apply(probed("late", SERVE, { readinessProbe }));
  await meta.until(() => eventsOf("late", "Unhealthy").length > 0);
  assert.equal(
    eventsOf("late", "Unhealthy")[0],
    'Readiness probe failed: command timed out: "sleep 30" timed out after 1s',
  );
});

test("a command that cannot be run says nothing about the container", options, async () => {
  const { meta } = edged;
  const livenessProbe = { ...FAST, exec: { command: ["/no/such/command"] } };
  meta.apply(probed("absent", SERVE, { livenessProbe }));
  await meta.until(() => eventsOf("absent", "Unhealthy").length > 0);
  assert.match(eventsOf("absent", "Unhealthy")[0] ?? "", /^Liveness probe errored and resulted in unknown state: /);
  assert.equal(statusOf("absent")?.restartCount, 0);
});

test("a sidecar's startup probe holds back who comes after it", options, async () => {
  const { meta } = edged;
  const startupProbe = { ...FAST, failureThreshold: 30, exec: { command: ["cat", "/shared/up"] } };
  const command = ["sh", "-c", `sleep 1; touch /shared/up; ${SERVE}`];
  const volumeMounts = [{ name: "v", mountPath: "/shared" }];
  const side = { name: "side", image: TEST_IMAGE, command, volumeMounts, startupProbe, restartPolicy: "Always" };
  meta.apply(
    probed(
      "with-side",
      `cat /shared/up || exit 9; ${SERVE}`,
      { volumeMounts },
      {
        initContainers: [side],
        volumes: [{ name: "v", emptyDir: {} }],
      },
    ),
  );
  await meta.until(() => statusOf("with-side", "side")?.state?.running !== undefined);
  await meta.untilReady("with-side");
  assert.equal(statusOf("with-side", "side")?.started, true);
  assert.equal(statusOf("with-side")?.restartCount, 0);
});

test("a container that is ready stays so while the agent restarts", options, async () => {
  const { meta } = edged;
  const readinessProbe = { periodSeconds: 3600, exec: { command: ["true"] } };
  const startupProbe = { periodSeconds: 3600, exec: { command: ["true"] } };
  meta.apply(probed("steady", SERVE, { readinessProbe, startupProbe }));
  await meta.untilReady("steady");
  meta.patches.length = 0;
  await edged.restart();
  meta.apply(podOf("later", SERVE));
  await meta.untilReady("later");
  const told = meta.patches.filter(({ key }) => key.name === "steady").map(({ patch }) => patch);
  assert.ok(
    told.every((patch) => patch.endsWith('"status":{}}')),
    told.join("\n"),
  );
  assert.equal(statusOf("steady")?.ready, true);
});

test("a probe over gRPC asks the pod's server for its health", options, async () => {
  await using health = await startHealthServer();
  const { meta } = edged;
  const readinessProbe = { ...FAST, grpc: { port: health.port, service: "shop" } };
  // On the host's network, where the test's server listens.
  meta.apply(probed("grpc", SERVE, { readinessProbe }, { hostNetwork: true }));
  const isReady = (ready: boolean) => () => meta.get("grpc")?.status?.containerStatuses?.[0]?.ready === ready;
  await meta.until(isReady(true));
  health.serving = false;
  await meta.until(isReady(false));
  assert.ok(
    meta.events.some(
      ({ message }) => message === 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")',
    ),
  );
  meta.delete({ namespace: "default", name: "grpc" }, 1);
  await meta.untilGone("grpc");
});

test("liveness and startup stop with a pod's end, readiness goes on", options, async () => {
  const { meta } = edged;
  const command = ["sh", "-c", "test -e /tmp/up"];
  const slow = "touch /tmp/up; trap 'rm /tmp/up; sleep 3; exit 0' TERM; while :; do sleep 3600 & wait; done";
  const probe = { ...FAST, exec: { command } };
  meta.apply(
    probed("ending", slow, { livenessProbe: probe, readinessProbe: probe }, { terminationGracePeriodSeconds: 30 }),
  );
  await meta.untilReady("ending");
  meta.delete({ namespace: "default", name: "ending" }, 30);
  await meta.until(() => statusOf("ending")?.ready === false);
  assert.equal(meta.get("ending")?.status?.phase, "Running");
  await meta.untilGone("ending");
  assert.deepEqual(eventsOf("ending", "Killing"), ["Stopping container app"]);
  assert.ok(eventsOf("ending", "Unhealthy").every((message) => message.startsWith("Readiness probe")));
});

test("a readiness gate holds the pod back until its condition is true", options, async () => {
  const { meta } = edged;
  const pod = meta.apply(podOf("gated", SERVE, { readinessGates: [{ conditionType: "example.com/lights-on" }] }));
  await meta.until(() => statusOf("gated")?.ready === true);
  assert.equal(
    conditionOf("gated", "Ready"),
    'False ReadinessGatesNotReady corresponding condition of pod readiness gate "example.com/lights-on" does not exist.',
  );
  const set = (status: string) => {
    const current = meta.get("gated") ?? pod;
    const others = (current.status?.conditions ?? []).filter(({ type }) => type !== "example.com/lights-on");
    const conditions = [...others, { type: "example.com/lights-on", status }];
    meta.apply({ ...current, status: { ...current.status, conditions } });
  };
  set("False");
  await meta.until(
    () =>
      conditionOf("gated", "Ready") ===
      'False ReadinessGatesNotReady the status of pod readiness gate "example.com/lights-on" is not "True", but False',
  );
  set("True");
  await meta.untilReady("gated");
});

/** A gRPC health service that says what `serving` says. */
async function startHealthServer() {
  const server = new Server();
  const state = { serving: true };
  const bytes = (value: Buffer) => value;
  server.addService(
    {
      Check: {
        path: "/grpc.health.v1.Health/Check",
        requestStream: false,
        responseStream: false,
        requestDeserialize: bytes,
        requestSerialize: bytes,
        responseDeserialize: bytes,
        responseSerialize: bytes,
      },
    },
    {
      Check: (_: unknown, reply: (error: null, answer: Buffer) => void) =>
        reply(null, Buffer.from([8, state.serving ? 1 : 2])),
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
    error === null ? resolve(port) : reject(error),
  );
  const port = await promise;
  return Object.assign(state, { port, [Symbol.asyncDispose]: async () => server.forceShutdown() });
}
