import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Container, ContainerStatus, Pod, PodSpec } from "@kedge/kube";
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
  edged = scope.use(await startTestEdged(containerd, { crashBackoffMaxMs: 1_000 }));
});
after(() => scope.disposeAsync());

const volumes = [{ name: "v", emptyDir: {} }];
const volumeMounts = [{ name: "v", mountPath: "/v" }];

function run(name: string, script: string, facts: Partial<Container> = {}): Container {
  return { name, image: TEST_IMAGE, command: ["sh", "-c", script], volumeMounts, ...facts };
}

function podWith(name: string, containers: Container[], spec: Partial<PodSpec> = {}): Pod {
  return podOf(name, "", { containers, volumes, restartPolicy: "Never", ...spec });
}

function statusOf(name: string, container: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = edged.meta.get(name)?.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].find((status) => status.name === container);
}

const rule = (action: string, ...values: number[]) => ({ action, exitCodes: { operator: "In", values } });
/** Ends with the code the first time, and serves from then on. */
const failOnce = (code: number) => `test -e /v/$0 || { touch /v/$0; exit ${code}; }; ${SERVE}`;

test(
  "W-58: a crashing container waits no longer than crashLoopBackOff.maxContainerRestartPeriod",
  options,
  async () => {
    const { meta } = edged;
    meta.apply(podWith("crash", [run("app", "exit 3")], { restartPolicy: "Always" }));
    const waiting = await meta.until(() => {
      const state = statusOf("crash", "app")?.state?.waiting;
      return state?.reason === "CrashLoopBackOff" ? state : undefined;
    });
    assert.match(waiting.message ?? "", /^back-off 1s restarting failed container=app pod=crash_default\(/);
    await meta.until(() => (statusOf("crash", "app")?.restartCount ?? 0) >= 4);
    meta.delete({ namespace: "default", name: "crash" }, 1);
  },
);

test("containers of one pod restart each by its own policy", options, async () => {
  const { meta } = edged;
  const restarting = run("again", failOnce(1), { restartPolicy: "OnFailure" });
  const once = run("once", "exit 5");
  meta.apply(podWith("mixed", [restarting, once]));
  await meta.until(() => statusOf("mixed", "again")?.restartCount === 1 && statusOf("mixed", "again")?.ready);
  assert.equal(statusOf("mixed", "once")?.state?.terminated?.exitCode, 5);
  assert.equal(statusOf("mixed", "once")?.restartCount, 0);
  assert.equal(meta.get("mixed")?.status?.phase, "Running");
});

test("a rule for an exit code restarts a container that otherwise would not", options, async () => {
  const { meta } = edged;
  const facts: Partial<Container> = { restartPolicy: "Never", restartPolicyRules: [rule("Restart", 42)] };
  meta.apply(podWith("ruled", [run("app", failOnce(42), facts)]));
  await meta.until(() => statusOf("ruled", "app")?.restartCount === 1 && statusOf("ruled", "app")?.ready);
  assert.equal(statusOf("ruled", "app")?.lastState?.terminated?.exitCode, 42);
  meta.apply(podWith("unruled", [run("app", failOnce(43), facts)]));
  await meta.untilPhase("unruled", "Failed");
  assert.equal(statusOf("unruled", "app")?.restartCount, 0);
});

test("RestartAllContainers starts the whole pod anew, in the same sandbox", options, async () => {
  const { meta } = edged;
  const source = run("app", failOnce(42), {
    restartPolicy: "Never",
    restartPolicyRules: [rule("RestartAllContainers", 42)],
  });
  const pod = podWith("anew", [source, run("b", SERVE)], { initContainers: [run("init", "echo >> /v/inits")] });
  meta.apply(pod);
  await meta.until(() => statusOf("anew", "app")?.ready && statusOf("anew", "app")?.restartCount === 1);
  await meta.until(() => statusOf("anew", "b")?.ready);
  const { status, metadata } = meta.get("anew") ?? {};
  assert.equal(statusOf("anew", "b")?.restartCount, 1);
  assert.equal(statusOf("anew", "init")?.restartCount, 1);
  assert.equal(statusOf("anew", "b")?.lastState?.terminated?.reason, "RestartingAllContainers");
  const condition = status?.conditions?.find(({ type }) => type === "AllContainersRestarting");
  assert.equal(condition?.status, "False");
  assert.ok(
    meta.patches.some(({ patch }) => patch.includes("RestartAllContainersStarted")),
    "users were told that it was under way",
  );
  const labels = { "io.kubernetes.pod.uid": metadata?.uid ?? "" };
  const signal = AbortSignal.timeout(10_000);
  assert.equal((await containerd.client.runtime.listPodSandboxes(labels, signal)).length, 1);
  assert.equal((await containerd.client.runtime.listContainers(labels, signal)).length, 3);
});

test(
  "a command that is not there shows RunContainerError, then CrashLoopBackOff with how it failed",
  options,
  async () => {
    const { meta } = edged;
    meta.apply(podWith("absent", [run("app", "", { command: ["/no/such/command"] })], { restartPolicy: "Always" }));
    const waiting = await meta.until(() => {
      const state = statusOf("absent", "app")?.state?.waiting;
      return state?.reason === "RunContainerError" ? state : undefined;
    });
    assert.match(waiting.message ?? "", /^failed to create containerd task: .*no such file or directory/);
    await meta.until(() => statusOf("absent", "app")?.state?.waiting?.reason === "CrashLoopBackOff");
    const ended = statusOf("absent", "app")?.lastState?.terminated;
    assert.deepEqual([ended?.reason, ended?.exitCode], ["StartError", 128]);
    meta.delete({ namespace: "default", name: "absent" }, 1);
  },
);
