import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ContainerState } from "@kedge/cri";
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
  edged = scope.use(await startTestEdged(containerd));
});
after(() => scope.disposeAsync());

/** Cannot be asked to end: only killed. */
const STUBBORN = "trap '' TERM; while :; do sleep 3600 & wait; done";
const key = (name: string) => ({ namespace: "default", name });
const signal = () => AbortSignal.timeout(20_000);
const containersOf = (uid = "") => containerd.client.runtime.listContainers({ "io.kubernetes.pod.uid": uid }, signal());

test("who does not end in time is killed", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("stubborn", STUBBORN, { terminationGracePeriodSeconds: 2 }));
  await meta.untilReady("stubborn");
  const beganMs = performance.now();
  meta.delete(key("stubborn"), 2);
  await meta.untilGone("stubborn");
  assert.ok(performance.now() - beganMs >= 1_900);
  const last = meta.patches.findLast((patch) => patch.key.name === "stubborn");
  assert.match(last?.patch ?? "", /"exitCode":137/);
});

test("a shorter grace period cuts a longer one short", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("impatient", STUBBORN, { terminationGracePeriodSeconds: 3600 }));
  await meta.untilReady("impatient");
  meta.delete(key("impatient"), 3600);
  await meta.until(() =>
    meta.events.some((event) => event.reason === "Killing" && event.involvedObject.name === "impatient"),
  );
  meta.delete(key("impatient"), 1);
  await meta.untilGone("impatient");
});

test("all containers of a pod are ended together", options, async () => {
  const { meta } = edged;
  const containers = ["a", "b", "c"].map((name) => ({ name, image: TEST_IMAGE, command: ["sh", "-c", STUBBORN] }));
  meta.apply(podOf("together", "", { containers }));
  await meta.untilReady("together");
  const beganMs = performance.now();
  meta.delete(key("together"), 2);
  await meta.untilGone("together");
  assert.ok(performance.now() - beganMs < 5_900, "one after the other would take 6 s");
});

test("a pod that is deleted before its image is there leaves at once", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("imageless", "", { containers: [{ name: "app", image: "127.0.0.1:1/none:1" }] }));
  await meta.until(
    () => meta.get("imageless")?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "ImagePullBackOff",
  );
  meta.delete(key("imageless"));
  await meta.untilGone("imageless");
  const last = meta.patches.findLast((patch) => patch.key.name === "imageless");
  assert.match(last?.patch ?? "", /"phase":"Failed"/);
});

test("the object goes only after everything of the pod is cleaned up", options, async () => {
  const { meta, config } = edged;
  const volumes = [{ name: "v", emptyDir: { medium: "Memory" } }];
  const volumeMounts = [{ name: "v", mountPath: "/v" }];
  const containers = [{ name: "app", image: TEST_IMAGE, command: ["sh", "-c", SERVE], volumeMounts }];
  meta.apply(podOf("tidy", "", { volumes, containers }));
  const { metadata } = await meta.untilReady("tidy");
  const uid = metadata?.uid ?? "";
  assert.ok(existsSync(join(config.rootDirectory, "pods", uid)));
  let leftAtDeletion: boolean | undefined;
  const deletions = meta.deletions.length;
  meta.delete(key("tidy"), 2);
  await meta.until(() => {
    if (meta.deletions.length > deletions) leftAtDeletion ??= existsSync(join(config.rootDirectory, "pods", uid));
    return leftAtDeletion !== undefined;
  });
  assert.equal(leftAtDeletion, false);
});

test("a finished pod keeps its logs until its object goes", options, async () => {
  const { meta, config } = edged;
  meta.apply(podOf("finished", "echo said", { restartPolicy: "Never" }));
  const { metadata } = await meta.untilPhase("finished", "Succeeded");
  const log = join(config.podLogsDirectory, `default_finished_${metadata?.uid}`, "app", "0.log");
  assert.ok(existsSync(log));
  assert.equal((await containersOf(metadata?.uid)).length, 1);
  meta.delete(key("finished"));
  await meta.untilGone("finished");
  const until = signal();
  while (existsSync(log)) {
    until.throwIfAborted();
    await readdir(config.podLogsDirectory);
  }
});

test("a pod whose object is gone at once is ended all the same, and told of no more", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("forced", SERVE));
  const { metadata } = await meta.untilReady("forced");
  const patches = meta.patches.length;
  meta.remove(key("forced"));
  const until = signal();
  while ((await containersOf(metadata?.uid)).length > 0) until.throwIfAborted();
  assert.ok(!meta.patches.slice(patches).some((patch) => patch.key.name === "forced"));
});

test("a pod of the same name does not wait for the old one, nor is it taken for it", options, async () => {
  const { meta } = edged;
  const old = meta.apply(podOf("twin", STUBBORN));
  await meta.untilReady("twin");
  const young = meta.apply(podOf("twin", SERVE));
  const { metadata, status } = await meta.untilReady("twin");
  assert.equal(metadata?.uid, young.metadata?.uid);
  assert.equal(status?.containerStatuses?.[0]?.restartCount, 0);
  const until = signal();
  while ((await containersOf(old.metadata?.uid)).length > 0) until.throwIfAborted();
  const [container] = await containersOf(young.metadata?.uid);
  assert.equal(container?.state, ContainerState.CONTAINER_RUNNING);
});

test("what happens while the cloud is away is told when it is back", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("offline", "exit 1"));
  await meta.until(() => (meta.get("offline")?.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0);
  meta.offline = true;
  meta.delete(key("offline"), 1);
  const uid = meta.get("offline")?.metadata?.uid;
  const until = signal();
  for (;;) {
    until.throwIfAborted();
    const sandboxes = await containerd.client.runtime.listPodSandboxes({ "io.kubernetes.pod.uid": uid ?? "" }, until);
    if (sandboxes.every(({ state }) => state !== 0)) break;
  }
  assert.ok(meta.get("offline") !== undefined);
  meta.offline = false;
  meta.bus.notify("hub/connection", { connected: true });
  await meta.untilGone("offline");
});
