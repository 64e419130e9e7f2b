import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ContainerState } from "@kedge/cri";
import type { EphemeralContainer, Pod } from "@kedge/kube";
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
  edged = scope.use(await startTestEdged(containerd, { relistIntervalMs: 1_000 }));
});
after(() => scope.disposeAsync());

const signal = () => AbortSignal.timeout(20_000);
const containersOf = (pod: Pod) =>
  containerd.client.runtime.listContainers({ "io.kubernetes.pod.uid": pod.metadata?.uid ?? "" }, signal());

const debuggerOf = (name: string, script: string, more: Partial<EphemeralContainer> = {}): EphemeralContainer => ({
  name,
  image: TEST_IMAGE,
  imagePullPolicy: "Never",
  command: ["sh", "-c", script],
  ...more,
});

/** As `kubectl debug`. */
function debug(pod: Pod, ...ephemeralContainers: EphemeralContainer[]): void {
  const stored = edged.meta.get(pod.metadata?.name ?? "");
  assert.ok(stored?.spec !== undefined);
  const all = [...(stored.spec.ephemeralContainers ?? []), ...ephemeralContainers];
  edged.meta.apply({ ...stored, spec: { ...stored.spec, ephemeralContainers: all } });
}

const stateOf = (pod: Pod, name: string) =>
  edged.meta.get(pod.metadata?.name ?? "")?.status?.ephemeralContainerStatuses?.find((status) => status.name === name);

async function output(pod: Pod, name: string, script: string): Promise<string> {
  const found = (await containersOf(pod)).find(({ metadata }) => metadata?.name === name);
  const { stdout } = await containerd.client.runtime.execSync(found?.id ?? "", ["sh", "-c", script], 5, signal());
  return Buffer.from(stdout).toString();
}

test("a debugging container joins a running pod, and the others go on", options, async () => {
  const { meta } = edged;
  const pod = meta.apply(podOf("looked-at", `echo here > /proof; exec sleep 1000`));
  const before = await meta.untilReady("looked-at");
  debug(pod, debuggerOf("look", SERVE, { targetContainerName: "app" }));
  const status = await meta.until(() => {
    const found = stateOf(pod, "look");
    return found?.state?.running === undefined ? undefined : found;
  });
  assert.equal(status.ready, false);
  assert.equal(status.restartCount, 0);
  assert.match(status.containerID ?? "", /^containerd:\/\//);
  const now = meta.get("looked-at");
  assert.deepEqual(now?.status?.containerStatuses, before.status?.containerStatuses);
  assert.equal(now?.status?.phase, "Running");
  // The target's first process is number 1 for both.
  assert.equal(await output(pod, "look", "cat /proc/1/root/proof; cat /proc/1/comm"), "here\nsleep\n");
  assert.ok(
    meta.events.some(
      ({ reason, involvedObject }) =>
        reason === "Started" && involvedObject.fieldPath === "spec.ephemeralContainers{look}",
    ),
  );
});

test("without a target it sees its own processes alone", options, async () => {
  const pod = edged.meta.apply(podOf("alone", "exec sleep 1000"));
  await edged.meta.untilReady("alone");
  debug(pod, debuggerOf("own", SERVE));
  await edged.meta.until(() => stateOf(pod, "own")?.state?.running !== undefined);
  assert.equal(await output(pod, "own", "cat /proc/1/comm"), "sh\n");
});

test("one that has ended stays ended, also when the agent restarts and when its record is lost", options, async () => {
  const { meta } = edged;
  const pod = meta.apply(podOf("once-looked", SERVE));
  await meta.untilReady("once-looked");
  debug(pod, debuggerOf("quick", "exit 3"), debuggerOf("long", SERVE));
  await meta.until(() => stateOf(pod, "quick")?.state?.terminated?.exitCode === 3);
  await meta.until(() => stateOf(pod, "long")?.state?.running !== undefined);
  const [long] = (await containersOf(pod)).filter(({ metadata }) => metadata?.name === "long");
  await edged.restart();
  const quick = (await containersOf(pod)).filter(({ metadata }) => metadata?.name === "quick");
  assert.equal(quick.length, 1);
  await containerd.client.runtime.removeContainer(quick[0]?.id ?? "", signal());
  debug(pod, debuggerOf("another", "exit 0"));
  await meta.until(() => stateOf(pod, "another")?.state?.terminated?.exitCode === 0);
  const left = await containersOf(pod);
  assert.deepEqual(
    left.map(({ metadata }) => metadata?.name).toSorted((a = "", b = "") => (a < b ? -1 : 1)),
    ["another", "app", "long"],
  );
  assert.equal(left.find(({ metadata }) => metadata?.name === "long")?.id, long?.id, "the running one was taken over");
  assert.equal(stateOf(pod, "quick")?.state?.terminated?.exitCode, 3);
});

test("one whose target is not there says so, and the pod goes on", options, async () => {
  const { meta } = edged;
  const pod = meta.apply(podOf("no-target", SERVE));
  await meta.untilReady("no-target");
  debug(pod, debuggerOf("lost", SERVE, { targetContainerName: "nobody" }));
  const { waiting } = await meta.until(() => {
    const state = stateOf(pod, "lost")?.state;
    return state?.waiting?.reason === "CreateContainerConfigError" ? state : undefined;
  });
  assert.match(waiting?.message ?? "", /unable to find target container nobody/);
  assert.equal(meta.get("no-target")?.status?.containerStatuses?.[0]?.ready, true);
});

test("it ends with its pod", options, async () => {
  const { meta } = edged;
  const pod = meta.apply(podOf("ended", SERVE));
  await meta.untilReady("ended");
  debug(pod, debuggerOf("look", SERVE));
  await meta.until(() => stateOf(pod, "look")?.state?.running !== undefined);
  meta.delete({ namespace: "default", name: "ended" }, 2);
  await meta.untilGone("ended");
  const running = (await containersOf(pod)).filter(({ state }) => state === ContainerState.CONTAINER_RUNNING);
  assert.deepEqual(running, []);
});
