import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event, Pod } from "@kedge/kube";
import { type Clock, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "../../edge-messages.ts";
import type { EventRate } from "./event-queue.ts";
import { EventRecorder } from "./event-recorder.ts";

const pod: Pod = {
  metadata: { name: "p", namespace: "d", uid: "u", resourceVersion: "7" },
  spec: { containers: [{ name: "app" }], initContainers: [{ name: "init" }] },
};

function setUp(enabled = true, rate?: EventRate) {
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const time = { ms: 0 };
  const clock: Clock = {
    ...systemClock,
    now: () => Date.parse("2026-01-01T00:00:00.5Z"),
    monotonic: () => time.ms,
    sleep: async (ms) => void (time.ms += ms),
  };
  const sent: { operation: string; event: Event; patch?: string }[] = [];
  bus.handle("meta/sendEvent", (request) => void sent.push(request));
  const life = new AbortController().signal;
  const config = { enabled, nodeName: "n", ...(rate !== undefined && { rate }) };
  const events = new EventRecorder(config, { bus, clock, logger: silentLogger }, life);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { events, sent, time, settled };
}

test("an event looks as a kubelet's", () => {
  const { events, sent } = setUp();
  events.warn(pod, "BackOff", "m", "app");
  const { name, ...metadata } = sent[0]?.event.metadata ?? {};
  assert.match(name ?? "", /^p\.[0-9a-f]{16}$/);
  assert.deepEqual(
    { ...sent[0]?.event, metadata },
    {
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace: "d" },
      involvedObject: {
        kind: "Pod",
        apiVersion: "v1",
        name: "p",
        namespace: "d",
        uid: "u",
        resourceVersion: "7",
        fieldPath: "spec.containers{app}",
      },
      reason: "BackOff",
      message: "m",
      type: "Warning",
      count: 1,
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:00:00Z",
      source: { component: "kubelet", host: "n" },
      reportingComponent: "kubelet",
      reportingInstance: "n",
    },
  );
});

test("names the field of an init container, and none of the pod itself", async () => {
  const { events, sent, settled } = setUp();
  events.normal(pod, "Started", "m", "init");
  events.normal(pod, "SandboxChanged", "m");
  await settled();
  assert.deepEqual(
    sent.map(({ event }) => event.involvedObject.fieldPath),
    ["spec.initContainers{init}", undefined],
  );
});

test("what is said again counts up, in order", async () => {
  const { events, sent, settled } = setUp();
  for (let time = 0; time < 3; time += 1) {
    events.warn(pod, "BackOff", "m", "app");
    await settled();
  }
  assert.deepEqual(
    sent.map(({ operation, event }) => [operation, event.count]),
    [
      ["insert", 1],
      ["patch", 2],
      ["patch", 3],
    ],
  );
  assert.equal(new Set(sent.map(({ event }) => event.metadata.name)).size, 1);
  assert.deepEqual(JSON.parse(sent[2]?.patch ?? ""), { count: 3, lastTimestamp: "2026-01-01T00:00:00Z", message: "m" });
});

test("what changes while it waits is told once, as it then is, and in its place", async () => {
  const { events, sent, settled } = setUp();
  const first = Array.from({ length: 8 }, (_, n) => `R${n}`);
  for (const reason of first) events.normal(pod, reason, "m"); // on their way
  for (let time = 0; time < 5; time += 1) {
    events.warn(pod, "BackOff", "m", "app");
    events.normal(pod, "Started", `s${time}`);
  }
  await settled();
  assert.deepEqual(
    sent.map(({ operation, event }) => [operation, event.reason, event.message, event.count]),
    [
      ...first.map((reason) => ["insert", reason, "m", 1]),
      ["insert", "BackOff", "m", 5],
      ...[0, 1, 2, 3, 4].map((time) => ["insert", "Started", `s${time}`, 1]),
    ],
  );
});

test("what is said in ever new words is told as one", async () => {
  const { events, sent, settled, time } = setUp();
  for (let index = 0; index < 12; index += 1) {
    events.warn(pod, "Failed", `m${index}`);
    await settled();
  }
  assert.equal(new Set(sent.map(({ event }) => event.metadata.name)).size, 10);
  assert.deepEqual(
    sent.slice(9).map(({ operation, event }) => [operation, event.message, event.count]),
    [
      ["insert", "(combined from similar events): m9", 1],
      ["patch", "(combined from similar events): m10", 2],
      ["patch", "(combined from similar events): m11", 3],
    ],
  );
  time.ms += 11 * 60_000; // long ago
  events.warn(pod, "Failed", "m12");
  await settled();
  assert.equal(sent.at(-1)?.event.message, "m12");
});

test("an object that talks too much is cut short, by type; later it is heard again, with all that it said", async () => {
  const { events, sent, settled, time } = setUp();
  for (let index = 0; index < 100; index += 1) {
    events.warn(pod, "Unhealthy", "m");
    await settled();
  }
  assert.equal(sent.length, 25);
  events.normal(pod, "Started", "other type");
  events.warn({ metadata: { name: "q", namespace: "d", uid: "v" } }, "Unhealthy", "other pod");
  await settled();
  assert.equal(sent.length, 27);
  time.ms += 300_000;
  events.warn(pod, "Unhealthy", "m");
  events.warn(pod, "Unhealthy", "m");
  await settled();
  assert.equal(sent.length, 28);
  assert.equal(sent.at(-1)?.event.count, 101);
});

test("what an API server has forgotten by now is told anew", async () => {
  const { events, sent, settled, time } = setUp();
  events.warn(pod, "BackOff", "m");
  await settled();
  time.ms += 2 * 3_600_000;
  events.warn(pod, "BackOff", "m");
  await settled();
  assert.deepEqual(
    sent.map(({ operation, event }) => [operation, event.count]),
    [
      ["insert", 1],
      ["insert", 1],
    ],
  );
});

test("keeps to eventRecordQPS, and loses nothing by it", async () => {
  const { events, sent, settled, time } = setUp(true, { perSecond: 1, burst: 2 });
  for (let index = 0; index < 4; index += 1) events.normal(pod, `R${index}`, "m");
  await settled();
  assert.deepEqual(
    sent.map(({ event }) => event.reason),
    ["R0", "R1", "R2", "R3"],
  );
  assert.equal(time.ms, 2000);
});

test("an event of the node names it by its name", () => {
  const { events, sent } = setUp();
  events.ofNode("Warning", "EvictionThresholdMet", "Attempting to reclaim memory");
  assert.deepEqual(sent[0]?.event.involvedObject, { kind: "Node", apiVersion: "v1", name: "n", uid: "n" });
  assert.equal(sent[0]?.event.metadata.namespace, "default");
});

test("says nothing when switched off, and cuts long messages", () => {
  const off = setUp(false);
  off.events.warn(pod, "Failed", "m");
  assert.equal(off.sent.length, 0);
  const on = setUp();
  on.events.warn(pod, "Failed", "x".repeat(5000));
  assert.equal(on.sent[0]?.event.message?.length, 1024);
});

test("what happens before somebody carries events is told once somebody does, in order", async () => {
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const told: string[] = [];
  let [started, tries] = [false, 0];
  const clock: Clock = {
    ...systemClock,
    sleep: async () => {
      tries += 1;
      if (tries < 40 || started) return;
      started = true;
      bus.handle("meta/sendEvent", ({ event }) => void told.push(event.reason ?? ""));
    },
  };
  const life = new AbortController().signal;
  const events = new EventRecorder({ enabled: true, nodeName: "n" }, { bus, clock, logger: silentLogger }, life);
  const reasons = Array.from({ length: 20 }, (_, n) => `R${n}`);
  for (const reason of reasons) events.normal(pod, reason, "m");
  while (told.length < reasons.length) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, reasons);
});
