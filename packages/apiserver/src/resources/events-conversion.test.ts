import assert from "node:assert/strict";
import { test } from "node:test";
import { eventFromStorage, eventToStorage } from "./events-conversion.ts";

const CORE = {
  apiVersion: "v1",
  kind: "Event",
  metadata: { name: "e", namespace: "default" },
  involvedObject: { kind: "Pod", name: "p" },
  message: "it started",
  reason: "Started",
  reportingComponent: "kubelet",
  source: { component: "kubelet" },
  firstTimestamp: "2026-01-01T00:00:00Z",
  count: 2,
};

const EVENTS = {
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  metadata: { name: "e", namespace: "default" },
  regarding: { kind: "Pod", name: "p" },
  note: "it started",
  reason: "Started",
  reportingController: "kubelet",
  deprecatedSource: { component: "kubelet" },
  deprecatedFirstTimestamp: "2026-01-01T00:00:00Z",
  deprecatedCount: 2,
};

test("an event is one object in two groups, with other names for the same", () => {
  assert.deepEqual(eventToStorage(EVENTS), CORE);
  assert.deepEqual(eventFromStorage(CORE), EVENTS);
});

test("an event keeps its apiVersion first, which the server relies on to send it as it is", () => {
  assert.equal(Object.keys(eventFromStorage(CORE))[0], "apiVersion");
});
