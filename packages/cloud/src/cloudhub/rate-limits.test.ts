import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "@kedge/runtime";
import { networkOf, RateLimits } from "./rate-limits.ts";

function stoppedClock(): Clock & { at: number } {
  const clock = { at: 0, now: () => clock.at, monotonic: () => clock.at, sleep: () => Promise.resolve() };
  return clock;
}

test("allows a burst, then one after each pause, for each key alone", () => {
  const clock = stoppedClock();
  const limits = new RateLimits({ burst: 2, refillMs: 1_000 }, clock);
  assert.deepEqual([limits.take("a"), limits.take("a"), limits.take("a")], [true, true, false]);
  assert.equal(limits.take("b"), true);
  clock.at = 999;
  assert.equal(limits.take("a"), false);
  clock.at = 1_500;
  assert.deepEqual([limits.take("a"), limits.take("a")], [true, false]);
  clock.at = 1e9;
  assert.deepEqual([limits.take("a"), limits.take("a"), limits.take("a")], [true, true, false]);
});

test("being refused costs nothing: who waits gets through", () => {
  const clock = stoppedClock();
  const limits = new RateLimits({ burst: 1, refillMs: 100 }, clock);
  assert.equal(limits.take("a"), true);
  for (clock.at = 1; clock.at < 100; clock.at += 1) assert.equal(limits.take("a"), false);
  assert.equal(limits.take("a"), true);
});

const networks = [
  { address: "192.0.2.1", network: "192.0.2.1" },
  { address: "::ffff:192.0.2.1", network: "::ffff:192.0.2.1" },
  { address: "2001:db8:1:2:3:4:5:6", network: "2001:db8:1:2" },
  { address: "2001:db8::6", network: "2001:db8:0:0" },
  { address: "::1", network: ":0:0:0" },
  { address: "", network: "" },
];
for (const { address, network } of networks)
  test(`counts ${address} as ${network}`, () => assert.equal(networkOf(address), network));
