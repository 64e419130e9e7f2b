import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event, Pod } from "@kedge/kube";
import { type Clock, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "../../edge-messages.ts";
import { EventRecorder } from "./event-recorder.ts";

const pod: Pod = {
  metadata: { name: "p", namespace: "d", uid: "u", resourceVersion: "7" },
  spec: { containers: [{ name: "app" }], initContainers: [{ name: "init" }] },
};

function setUp(enabled = true) {
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const time = { ms: 0 };
  const clock: Clock = { ...systemClock, now: () => Date.parse("2026-01-01T00:00:00.5Z"), monotonic: () => time.ms };
  const sent: { operation: string; event: Event; patch?: string }[] = [];
  bus.handle("meta/sendEvent", (request) => void sent.push(request));
  const life = new AbortController().signal;
  const events = new EventRecorder({ enabled, nodeName: "n" }, { bus, clock, logger: silentLogger }, life);
  return { events, sent, time };
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

test("names the field of an init container, and none of the pod itself", () => {
  const { events, sent } = setUp();
  events.normal(pod, "Started", "m", "init");
  events.normal(pod, "SandboxChanged", "m");
  assert.deepEqual(
    sent.map(({ event }) => event.involvedObject.fieldPath),
    ["spec.initContainers{init}", undefined],
  );
});

test("what is said again counts up", () => {
  const { events, sent } = setUp();
  for (let time = 0; time < 3; time += 1) events.warn(pod, "BackOff", "m", "app");
  assert.deepEqual(
    sent.map(({ operation, event }) => [operation, event.count]),
    [
      ["insert", 1],
      ["patch", 2],
      ["patch", 3],
    ],
  );
  assert.equal(new Set(sent.map(({ event }) => event.metadata.name)).size, 1);
  assert.deepEqual(JSON.parse(sent[2]?.patch ?? ""), { count: 3, lastTimestamp: "2026-01-01T00:00:00Z" });
});

test("a pod that talks too much is cut short, then heard again", () => {
  const { events, sent, time } = setUp();
  for (let index = 0; index < 100; index += 1) events.warn(pod, "Failed", `m${index}`);
  assert.equal(sent.length, 25);
  time.ms += 60_000;
  for (let index = 0; index < 100; index += 1) events.warn(pod, "Failed", `n${index}`);
  assert.equal(sent.length, 30);
});

test("says nothing when switched off, and cuts long messages", () => {
  const off = setUp(false);
  off.events.warn(pod, "Failed", "m");
  assert.equal(off.sent.length, 0);
  const on = setUp();
  on.events.warn(pod, "Failed", "x".repeat(5000));
  assert.equal(on.sent[0]?.event.message?.length, 1024);
});
