import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, systemClock } from "./clock.ts";
import { WakeUp } from "./wake-up.ts";

const options = { timeout: 5_000 };
const never: Clock = {
  ...systemClock,
  sleep: (_ms, signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
};

test("a wake-up before the wait is kept, two are one", options, async () => {
  const wake = new WakeUp();
  const life = new AbortController();
  wake.wake();
  wake.wake();
  await wake.wait(life.signal);
  const second = wake.wait(life.signal);
  life.abort(new Error("over"));
  await assert.rejects(second, /over/);
});

test("a wake-up ends the wait before its time", options, async () => {
  const wake = new WakeUp();
  const waiting = wake.waitOr(1_000_000, never, new AbortController().signal);
  wake.wake();
  await waiting;
});

test("time ends the wait", options, async () => {
  const instant: Clock = { ...systemClock, sleep: () => Promise.resolve() };
  await new WakeUp().waitOr(1_000_000, instant, new AbortController().signal);
});

test("stopping ends the wait with its reason", options, async () => {
  const life = new AbortController();
  const waiting = new WakeUp().waitOr(1_000_000, never, life.signal);
  life.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
});
