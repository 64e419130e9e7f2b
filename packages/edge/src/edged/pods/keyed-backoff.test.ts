import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, systemClock } from "@kedge/runtime";
import { formatGoDuration } from "./go-duration.ts";
import { BACKOFF_RESET_MS, KeyedBackoff } from "./keyed-backoff.ts";

function setUp(maxMs?: number) {
  const time = { ms: 0 };
  const clock: Clock = { ...systemClock, monotonic: () => time.ms };
  return { time, backoff: new KeyedBackoff(clock, maxMs) };
}

test("waits 0, 10, 20, … at most 300 seconds", () => {
  const { time, backoff } = setUp();
  const waits = Array.from({ length: 8 }, (_, crash) => {
    backoff.failed("k", `c${crash}`, 0);
    const { waitMs } = backoff.wait("k");
    time.ms += waitMs;
    return waitMs / 1000;
  });
  assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
});

test("W-58: waits no longer than crashLoopBackOff.maxContainerRestartPeriod", () => {
  const waitsUpTo = (maxMs: number) => {
    const { backoff } = setUp(maxMs);
    return ["a", "b", "c", "d", "e"].map((id) => {
      backoff.failed("k", id, 0);
      return backoff.wait("k").waitMs / 1000;
    });
  };
  assert.deepEqual(waitsUpTo(30_000), [0, 10, 20, 30, 30]);
  assert.deepEqual(waitsUpTo(2_000), [0, 2, 2, 2, 2]);
});

test("counts an end once, however often it is looked at", () => {
  const { time, backoff } = setUp();
  backoff.failed("k", "a", 0);
  backoff.failed("k", "b", 0);
  time.ms += 4_000;
  backoff.failed("k", "b", 0);
  assert.deepEqual(backoff.wait("k"), { waitMs: 10_000, remainingMs: 6_000 });
});

test("starts anew after 10 minutes without a crash", () => {
  const { backoff } = setUp();
  for (const id of ["a", "b", "c"]) backoff.failed("k", id, 0);
  backoff.failed("k", "d", BACKOFF_RESET_MS);
  assert.equal(backoff.wait("k").waitMs, 0);
});

test("keeps keys apart, and forgets those of a pod", () => {
  const { backoff } = setUp();
  for (const id of ["a", "b"]) for (const key of ["u1_x", "u2_x"]) backoff.failed(key, id, 0);
  backoff.forget("u1_");
  assert.deepEqual([backoff.wait("u1_x").waitMs, backoff.wait("u2_x").waitMs], [0, 10_000]);
});

test("writes durations as Go does", () => {
  assert.deepEqual([10_000, 80_000, 300_000, 3_605_000].map(formatGoDuration), ["10s", "1m20s", "5m0s", "1h0m5s"]);
});
