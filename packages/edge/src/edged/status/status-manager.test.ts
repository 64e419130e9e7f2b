import assert from "node:assert/strict";
import { test } from "node:test";
import { KubeApiError, type Pod } from "@kedge/kube";
import { type Clock, deferred, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "../../edge-messages.ts";
import { StatusManager } from "./status-manager.ts";

const options = { timeout: 5_000 };
const pod: Pod = { metadata: { name: "p", namespace: "d", uid: "u" }, spec: { containers: [] } };
/** Time stands still: what is tried again is so because somebody said so. */
const clock: Clock = {
  ...systemClock,
  sleep: (_ms, signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
};

function setUp() {
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const manager = new StatusManager({ bus, clock, logger: silentLogger });
  return { bus, manager };
}

test("the newest status wins, and each is told once", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  const patches: string[] = [];
  const first = deferred();
  const release = deferred();
  const third = deferred();
  bus.handle("meta/patchPodStatus", async ({ patch }) => {
    patches.push(patch);
    if (patches.length === 1) {
      first.resolve();
      await release.promise;
    } else third.resolve();
    return pod;
  });
  manager.set(pod, { phase: "Pending" });
  await first.promise;
  manager.set(pod, { phase: "Running" });
  manager.set(pod, { phase: "Running", message: "newest" });
  manager.set(pod, { phase: "Running", message: "newest" });
  release.resolve();
  await third.promise;
  assert.deepEqual(
    patches.map((patch) => (JSON.parse(patch) as { status: unknown }).status),
    [{ phase: "Pending" }, { phase: "Running", message: "newest" }],
  );
});

test("what could not be told is told when the link is back", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  const failed = deferred();
  const told = deferred();
  let online = false;
  bus.handle("meta/patchPodStatus", () => {
    if (!online) {
      failed.resolve();
      throw new Error("not connected");
    }
    told.resolve();
    return pod;
  });
  manager.set(pod, { phase: "Running" });
  await failed.promise;
  online = true;
  manager.retryNow();
  await told.promise;
});

test("the object is deleted after its last status, with its uid", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  const calls: string[] = [];
  const deleted = deferred<unknown>();
  bus.handle("meta/patchPodStatus", ({ patch }) => {
    calls.push(patch);
    return pod;
  });
  bus.handle("meta/deletePod", ({ options: request }) => {
    calls.push("delete");
    deleted.resolve(request);
  });
  manager.set(pod, { phase: "Failed" });
  manager.finish(pod);
  assert.deepEqual(await deleted.promise, { gracePeriodSeconds: 0, preconditions: { uid: "u" } });
  assert.equal(calls.length, 2);
  assert.equal(calls[1], "delete");
});

test("a pod that is gone is not told of for ever", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  let tries = 0;
  bus.handle("meta/patchPodStatus", () => {
    tries += 1;
    throw new KubeApiError({ code: 404, reason: "NotFound", message: "gone" });
  });
  const deleted = deferred();
  bus.handle("meta/deletePod", () => deleted.resolve());
  manager.set(pod, { phase: "Failed" });
  await new Promise((resolve) => setImmediate(resolve));
  manager.retryNow();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(tries, 1);
});

test("a status that somebody else changed is set right", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  const told = [deferred<string>(), deferred<string>()] as const;
  let count = 0;
  bus.handle("meta/patchPodStatus", ({ patch }) => {
    told[count === 0 ? 0 : 1].resolve(patch);
    count += 1;
    return pod;
  });
  manager.set(pod, { conditions: [{ type: "Ready", status: "True" }] });
  await told[0].promise;
  await new Promise((resolve) => setImmediate(resolve));
  manager.observe({ ...pod, status: { conditions: [{ type: "Ready", status: "False", reason: "NodeNotReady" }] } });
  assert.match(await told[1].promise, /"status":"True","reason":null/);
});

/** What is told, one after the other; each is answered before the next is looked at. */
function tellings(bus: ReturnType<typeof setUp>["bus"], judge: (count: number) => void = () => {}) {
  const patches: string[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  bus.handle("meta/patchPodStatus", ({ patch }) => {
    patches.push(patch);
    for (const { count, resolve } of waiting) if (patches.length >= count) resolve();
    judge(patches.length);
    return pod;
  });
  const told = (count: number) =>
    patches.length >= count ? Promise.resolve() : new Promise<void>((resolve) => waiting.push({ count, resolve }));
  return { patches, told };
}

const CONFIRMATION = '{"metadata":{"uid":"u"},"status":{}}';

test("a pod that was stored before the start is told of once, though nothing is new", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  const { patches, told } = tellings(bus);
  const stored: Pod = { ...pod, status: { phase: "Running" } };
  manager.set(stored, { phase: "Running" });
  await told(1);
  manager.set(stored, { phase: "Running" });
  manager.retryNow();
  manager.set(stored, { phase: "Running", message: "new" });
  await told(2);
  assert.deepEqual(patches, [CONFIRMATION, '{"metadata":{"uid":"u"},"status":{"message":"new"}}']);
});

test("all pods are told of when the node is registered anew, again if that fails", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  const { patches, told } = tellings(bus, (count) => {
    if (count === 2) throw new Error("not connected");
  });
  manager.set(pod, { phase: "Running" });
  await told(1);
  manager.confirmAll();
  await told(2);
  await new Promise((resolve) => setImmediate(resolve));
  manager.retryNow();
  await told(3);
  assert.deepEqual(patches.slice(1), [CONFIRMATION, CONFIRMATION]);
});

test("a link that comes and goes has pods confirmed now and then, not each time", options, async () => {
  const time = { ms: 0 };
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const manager = new StatusManager({ bus, clock: { ...clock, monotonic: () => time.ms }, logger: silentLogger });
  await using _ = manager;
  const { patches, told } = tellings(bus);
  manager.set(pod, { phase: "Running" });
  await told(1);
  await new Promise((resolve) => setImmediate(resolve)); // answered
  for (let flap = 0; flap < 5; flap += 1) {
    time.ms += 60_000;
    manager.retryNow();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(patches.length, 1);
  time.ms += 6 * 60_000;
  manager.retryNow();
  await told(2);
});

test("a cloud of ours, which compares by digest, is told of no pod that has nothing new", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  const failed = deferred();
  const away = bus.handle("meta/patchPodStatus", () => {
    failed.resolve();
    throw new Error("not connected");
  });
  const stored: Pod = { ...pod, status: { phase: "Running" } };
  manager.set(stored, { phase: "Running" });
  await failed.promise;
  away[Symbol.dispose]();
  const { patches, told } = tellings(bus);
  manager.retryNow({ compares: true });
  manager.set(stored, { phase: "Succeeded" });
  await told(1);
  assert.deepEqual(patches, ['{"metadata":{"uid":"u"},"status":{"phase":"Succeeded"}}']);
});

test("an API server that does not know a member is not told of it for ever", options, async () => {
  const { bus, manager } = setUp();
  await using _ = manager;
  const patches: string[] = [];
  let told = deferred();
  bus.handle("meta/patchPodStatus", ({ patch }) => {
    patches.push(patch);
    told.resolve();
    return pod;
  });
  const said = async (work: () => void) => {
    told = deferred();
    work();
    await told.promise;
    await new Promise((resolve) => setImmediate(resolve)); // the answer is taken
  };
  const known = { phase: "Running" } as const;
  await said(() => manager.set(pod, { ...known, message: "unknown to it" }));
  await said(() => manager.observe({ ...pod, status: known }));
  manager.observe({ ...pod, status: known });
  manager.observe({ ...pod, status: known });
  await said(() => manager.observe({ ...pod, status: { ...known, phase: "Failed" } }));
  assert.equal(patches.length, 3);
});
