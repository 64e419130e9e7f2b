import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "@kedge/runtime";
import { RateLimiter } from "./rate-limiter.ts";

/** Time passes only while somebody sleeps. */
class JumpingClock implements Clock {
  nowMs = 0;
  now(): number {
    return this.nowMs;
  }
  monotonic(): number {
    return this.nowMs;
  }
  async sleep(ms: number): Promise<void> {
    await Promise.resolve();
    this.nowMs += ms;
  }
}

test("a burst goes at once, the others in order at the rate", async () => {
  const clock = new JumpingClock();
  const limiter = new RateLimiter({ qps: 10, burst: 5 }, clock);
  const turns: [number, number][] = [];
  const signal = new AbortController().signal;
  await Promise.all(
    Array.from({ length: 25 }, async (_, n) => {
      await limiter.take(signal);
      turns.push([n, clock.nowMs]);
    }),
  );
  assert.deepEqual(
    turns.map(([n]) => n),
    Array.from({ length: 25 }, (_, n) => n),
  );
  assert.equal(turns[4]?.[1], 0);
  assert.ok(clock.nowMs >= 2_000 && clock.nowMs <= 2_100, `20 requests at 10 a second took ${clock.nowMs} ms`);
});

test("whoever gives up leaves the queue, and the others move up", async () => {
  const clock = new JumpingClock();
  const limiter = new RateLimiter({ qps: 1, burst: 1 }, clock);
  const [patient, impatient] = [new AbortController(), new AbortController()];
  await limiter.take(patient.signal);
  const first = assert.rejects(limiter.take(impatient.signal), /gave up/);
  const second = limiter.take(patient.signal);
  impatient.abort(new Error("gave up"));
  await first;
  await second;
  assert.ok(clock.nowMs <= 1_001);
  await assert.rejects(limiter.take(impatient.signal), /gave up/);
});

test("thousands that wait cost one listener, and leave none", async () => {
  const clock = new JumpingClock();
  const limiter = new RateLimiter({ qps: 1_000, burst: 1 }, clock);
  const { signal } = new AbortController();
  let listeners = 0;
  let most = 0;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = ((...args: Parameters<typeof add>) => {
    listeners += 1;
    most = Math.max(most, listeners);
    add(...args);
  }) as typeof add;
  signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
    listeners -= 1;
    remove(...args);
  }) as typeof remove;
  await Promise.all(Array.from({ length: 5_000 }, () => limiter.take(signal)));
  assert.deepEqual([listeners, most], [0, 1]);
});
