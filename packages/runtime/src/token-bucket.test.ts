import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "./clock.ts";
import { TokenBucket } from "./token-bucket.ts";

test("lets a burst through at once and the rest at its rate", async () => {
  let nowMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: (ms) => {
      nowMs += ms;
      return Promise.resolve();
    },
  };
  const bucket = new TokenBucket(30, 60, clock);
  const { signal } = new AbortController();
  for (let n = 0; n < 60; n += 1) await bucket.wait(signal);
  assert.equal(nowMs, 0);
  for (let n = 0; n < 30; n += 1) await bucket.wait(signal);
  assert.ok(nowMs >= 1_000 && nowMs <= 1_040, `${nowMs} ms`);
  const unlimited = new TokenBucket(0, 0, clock);
  const beforeMs = nowMs;
  for (let n = 0; n < 1_000; n += 1) await unlimited.wait(signal);
  assert.equal(nowMs, beforeMs);
});
