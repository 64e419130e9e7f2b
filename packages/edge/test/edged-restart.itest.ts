import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ContainerState, PodSandboxState } from "@kedge/cri";
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
const containersOf = (uid = "") => containerd.client.runtime.listContainers({ "io.kubernetes.pod.uid": uid }, signal());

test("an agent that restarts takes running containers over without touching them", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("steady", SERVE));
  const before = await meta.untilReady("steady");
  const [container] = await containersOf(before.metadata?.uid);
  meta.patches.length = 0;
  await edged.restart();
  // Only after the agent has looked at all pods does it start this one.
  meta.apply(podOf("later", SERVE));
  await meta.untilReady("later");
  const [same] = await containersOf(before.metadata?.uid);
  assert.equal(same?.id, container?.id);
  assert.equal(same?.state, ContainerState.CONTAINER_RUNNING);
  assert.deepEqual(meta.get("steady")?.status, before.status);
  const told = meta.patches.filter(({ key }) => key.name === "steady").map(({ patch }) => JSON.parse(patch) as unknown);
  const nothingNew = { metadata: { uid: before.metadata?.uid }, status: {} };
  assert.deepEqual(told, [nothingNew], "nothing changed: it is only asked whether the pod still exists");
});

test("W-22: what finished before the agent restarted is still known, and does not run again", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("once", "echo -n done > /dev/termination-log; exit 5", { restartPolicy: "Never" }));
  await meta.untilPhase("once", "Failed");
  await edged.stop();
  // As if the agent had died before it could tell: the cluster still takes the pod for running.
  const pod = structuredClone(meta.get("once"));
  const [status] = pod?.status?.containerStatuses ?? [];
  assert.ok(pod?.status !== undefined && status !== undefined);
  pod.status.phase = "Running";
  status.state = { running: { startedAt: "2026-01-01T00:00:00Z" } };
  meta.apply(pod);
  await edged.restart();
  const { status: now } = await meta.untilPhase("once", "Failed");
  assert.equal(now?.containerStatuses?.[0]?.state?.terminated?.exitCode, 5);
  assert.equal((await containersOf(pod.metadata?.uid)).length, 1);
});

test("a container that disappeared with its sandbox is known to have run", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("vanished", SERVE));
  const { metadata } = await meta.untilReady("vanished");
  await edged.stop();
  const { runtime } = containerd.client;
  for (const { id } of await runtime.listPodSandboxes({ "io.kubernetes.pod.uid": metadata?.uid ?? "" }, signal())) {
    await runtime.stopPodSandbox(id, signal());
    await runtime.removePodSandbox(id, signal());
  }
  await edged.restart();
  const status = await meta.until(() => {
    const container = meta.get("vanished")?.status?.containerStatuses?.[0];
    return container?.ready === true && container.restartCount === 1 ? meta.get("vanished")?.status : undefined;
  });
  assert.equal(status.containerStatuses?.[0]?.lastState?.terminated?.reason, "ContainerStatusUnknown");
  assert.equal(status.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137);
});

test("a pod deleted while the agent was away is ended, and leaves nothing", options, async () => {
  const { meta } = edged;
  meta.apply(
    podOf("orphan", SERVE, {
      volumes: [{ name: "v", emptyDir: { medium: "Memory" } }],
      containers: [
        {
          name: "app",
          image: TEST_IMAGE,
          command: ["sh", "-c", SERVE],
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        },
      ],
    }),
  );
  const { metadata } = await meta.untilReady("orphan");
  const uid = metadata?.uid ?? "";
  await edged.stop();
  meta.remove({ namespace: "default", name: "orphan" });
  await edged.restart();
  await untilGone(uid);
});

test("nothing is ended before it is known which pods there shall be", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("kept", SERVE));
  const { metadata } = await meta.untilReady("kept");
  await edged.stop();
  const pods = [...meta.pods];
  meta.pods.clear();
  const asked = meta.failLists(); // the store cannot answer yet
  await edged.restart();
  await asked.tried;
  for (const [key, pod] of pods) meta.pods.set(key, pod);
  asked[Symbol.dispose]();
  meta.apply(podOf("after-kept", SERVE));
  await meta.untilReady("after-kept");
  const [container] = await containersOf(metadata?.uid);
  assert.equal(container?.state, ContainerState.CONTAINER_RUNNING);
  assert.equal((await containersOf(metadata?.uid)).length, 1);
});

test("a container killed behind the agent's back runs again", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("killed", SERVE));
  const { metadata } = await meta.untilReady("killed");
  const [container] = await containersOf(metadata?.uid);
  await containerd.client.runtime.stopContainer(container?.id ?? "", 0, signal());
  const { status } = await meta.until(() => {
    const pod = meta.get("killed");
    return pod?.status?.containerStatuses?.[0]?.restartCount === 1 && pod.status.containerStatuses[0].ready
      ? pod
      : undefined;
  });
  assert.equal(status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137);
});

test("a sandbox killed behind the agent's back is made anew, with its containers", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("sandboxed", SERVE));
  const { metadata } = await meta.untilReady("sandboxed");
  const labels = { "io.kubernetes.pod.uid": metadata?.uid ?? "" };
  const [old] = await containerd.client.runtime.listPodSandboxes(labels, signal());
  await containerd.client.runtime.stopPodSandbox(old?.id ?? "", signal());
  // The container dies first, and may be started once more in the sandbox that is about to die.
  await meta.until(() =>
    meta.events.some(
      ({ reason, involvedObject }) => reason === "SandboxChanged" && involvedObject.uid === metadata?.uid,
    ),
  );
  await meta.until(() => {
    const container = meta.get("sandboxed")?.status?.containerStatuses?.[0];
    return (container?.restartCount ?? 0) > 0 && container?.ready;
  });
  const sandboxes = await containerd.client.runtime.listPodSandboxes(labels, signal());
  const ready = sandboxes.filter(({ state }) => state === PodSandboxState.SANDBOX_READY);
  assert.deepEqual(
    ready.map((sandbox) => sandbox.metadata?.attempt),
    [1],
  );
});

test("pods go on while containerd restarts, and are watched again after it", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("through", SERVE));
  const { metadata } = await meta.untilReady("through");
  await containerd.stopDaemon();
  await containerd.startDaemon();
  const [container] = await containersOf(metadata?.uid);
  assert.equal(container?.state, ContainerState.CONTAINER_RUNNING);
  await containerd.client.runtime.stopContainer(container?.id ?? "", 0, signal());
  await meta.until(() => meta.get("through")?.status?.containerStatuses?.[0]?.restartCount === 1);
});

test("an agent that starts before containerd runs its pods once that is there", options, async () => {
  const { meta } = edged;
  await edged.stop();
  await containerd.stopDaemon();
  await edged.restart();
  meta.apply(podOf("early", SERVE));
  await containerd.startDaemon();
  await meta.untilReady("early");
});

async function untilGone(uid: string): Promise<void> {
  const until = signal();
  for (;;) {
    const left = await containerd.client.runtime.listPodSandboxes({ "io.kubernetes.pod.uid": uid }, until);
    const logs = (await readdir(edged.config.podLogsDirectory)).filter((name) => name.endsWith(uid));
    if (left.length + logs.length === 0 && !existsSync(join(edged.config.rootDirectory, "pods", uid))) return;
  }
}
