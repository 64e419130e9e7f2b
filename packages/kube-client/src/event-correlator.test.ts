import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event } from "@kedge/kube";
import { EventCorrelator } from "./event-correlator.ts";
import { ManualClock } from "./manual-clock.test-data.ts";

const event = (message: string, uid = "u"): Event => ({
  metadata: { namespace: "default" },
  involvedObject: { kind: "Pod", namespace: "default", name: "web", uid },
  type: "Warning",
  reason: "Failed",
  message,
});

test("counts the same event under one name, and begins anew after ten minutes", async () => {
  const clock = new ManualClock();
  const correlator = new EventCorrelator(clock);
  const first = correlator.correlate(event("a"));
  const second = correlator.correlate(event("a"));
  assert.equal(second?.metadata.name, first?.metadata.name);
  assert.deepEqual([first?.count, second?.count], [1, 2]);
  assert.notEqual(correlator.correlate(event("b"))?.metadata.name, first?.metadata.name);
  assert.equal(correlator.correlate(event("a", "another"))?.count, 1);
  await clock.advance(10 * 60_000);
  assert.equal(correlator.correlate(event("a"))?.count, 1);
});

test("lets an object speak 25 times at once, then once in five minutes", async () => {
  const clock = new ManualClock();
  const correlator = new EventCorrelator(clock);
  const passed = Array.from({ length: 40 }, (_, index) => correlator.correlate(event(`m${index}`)));
  assert.equal(passed.filter((each) => each !== undefined).length, 25);
  assert.notEqual(correlator.correlate(event("x", "another")), undefined);
  await clock.advance(5 * 60_000);
  assert.notEqual(correlator.correlate(event("y")), undefined);
  assert.equal(correlator.correlate(event("z")), undefined);
});
