import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENTS, type KubeObject, keyOf, type ObjectKey, type Pod, PODS } from "@kedge/kube";
import { hasCode, MessageBus } from "@kedge/runtime";
import { TEST_IMAGE, TestContainerd, TestKubernetes } from "@kedge/testing";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { isSame } from "../src/edged/status/status-patch.ts";
import { podOf, SERVE, startTestEdged, type TestMeta } from "./edged-harness.ts";

const TIMEOUT_MS = 120_000;
const skip = TestContainerd.missing() || TestKubernetes.missing();

test("a real API server takes the status, the events and the end of pods", { skip, timeout: TIMEOUT_MS }, async () => {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  await using scope = new AsyncDisposableStack();
  const kubernetes = scope.use(await TestKubernetes.start());
  const kube = scope.use(kubernetes.connect());
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const watchers = new Set<() => void>();
  const changed = (key: ObjectKey) => {
    bus.notify("meta/podChanged", { key });
    for (const look of watchers) look();
  };
  const found = <T extends KubeObject>(asked: Promise<T>) =>
    asked.catch((error: unknown) => {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    });
  const refusals: unknown[] = [];
  bus.handle("meta/list", () => []);
  bus.handle("meta/getPod", (key, abort) => found(kube.get(PODS, key, abort)));
  bus.handle("meta/patchPodStatus", async ({ key, patch }, abort) => {
    const body: unknown = JSON.parse(patch);
    try {
      return await kube.patch(PODS, key, { type: "strategic", body }, abort, { subresource: "status" });
    } catch (error) {
      refusals.push(error, patch);
      throw error;
    } finally {
      changed(key);
    }
  });
  bus.handle("meta/deletePod", async ({ key, options }, abort) => {
    await kube.delete(PODS, key, abort, options);
    changed(key);
  });
  bus.handle("meta/sendEvent", async ({ operation, event }, abort) => {
    if (operation === "insert") await kube.create(EVENTS, event, abort);
  });
  const containerd = scope.use(await TestContainerd.start());
  scope.use(await startTestEdged(containerd, { meta: { bus } as TestMeta }));

  const until = async <T>(key: ObjectKey, isTrue: (pod: Pod | undefined) => T | undefined | false): Promise<T> => {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      watchers.add(resolve);
      const result = isTrue(await found(kube.get(PODS, key, signal)));
      if (result !== undefined && result !== false) return result;
      await promise;
      watchers.delete(resolve);
    }
  };
  const create = async (pod: Pod): Promise<ObjectKey> => {
    const { uid: _, ...named } = pod.metadata ?? {}; // the API server gives it one
    const { metadata } = await kube.create(PODS, { ...pod, metadata: named }, signal);
    const key = { namespace: "default", name: metadata?.name ?? "" };
    changed(key);
    return key;
  };

  const init = { name: "init", image: TEST_IMAGE, command: ["sh", "-c", "exit 0"] };
  const web = podOf("web", SERVE, { initContainers: [init] });
  const key = await create(web);
  const running = await until(key, (pod) => (pod?.status?.containerStatuses?.[0]?.ready === true ? pod : undefined));
  assert.equal(running.status?.phase, "Running");
  assert.equal(running.status?.initContainerStatuses?.[0]?.state?.terminated?.reason, "Completed");
  assert.ok(running.status?.podIPs?.[0]?.ip);

  // Somebody else's word on the pod is set right, and does not make the two of us go round in circles.
  const conditions = [{ type: "Ready", status: "False", reason: "NodeNotReady" }];
  const body = { status: { conditions } };
  await kube.patch(PODS, key, { type: "strategic", body }, signal, { subresource: "status" });
  changed(key);
  const right = await until(key, (pod) => {
    const ready = pod?.status?.conditions?.find(({ type }) => type === "Ready");
    return ready?.status === "True" ? pod : undefined;
  });
  assert.ok(isSame(right.status?.containerStatuses, running.status?.containerStatuses));

  const fails = podOf("fails", "echo broken > /dev/termination-log; exit 9", { restartPolicy: "Never" });
  const failed = await until(await create(fails), (pod) => (pod?.status?.phase === "Failed" ? pod : undefined));
  assert.equal(failed.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 9);

  await kube.delete(PODS, key, signal, { gracePeriodSeconds: 5 });
  changed(key);
  await until(key, (pod) => pod === undefined);
  const events = await kube.list(EVENTS, { namespace: "default" }, signal);
  const reasons = new Set(events.items.map(({ reason }) => reason));
  for (const reason of ["Pulled", "Created", "Started", "Killing"])
    assert.ok(reasons.has(reason), `no event ${reason}`);
  assert.deepEqual(refusals, []);
  assert.equal(keyOf(running), "default/web");
});
