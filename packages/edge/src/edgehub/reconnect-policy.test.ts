import assert from "node:assert/strict";
import { test } from "node:test";
import { HubError } from "./hub-error.ts";
import { ReconnectPolicy } from "./reconnect-policy.ts";

const latest = () => new ReconnectPolicy(() => 0); // no jitter: the longest waits
const refused = new HubError("x", { code: "ConnectionRefused", address: "x" });
const unreachable = new HubError("x", { code: "Unreachable", address: "x" });
const busy = (retryAfterMs: number | undefined) =>
  new HubError("x", { code: "ServerRefused", httpStatus: 503, retryAfterMs });

test("returns at once when a link that held has ended", () => {
  assert.equal(latest().afterLink(60_000, 0), 0);
});

test("waits longer and longer, up to 30 s, when nobody answers", () => {
  const policy = latest();
  const waits = Array.from({ length: 9 }, () => policy.afterFailure(unreachable, 0));
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test("asks a closed port every 2 s at first, so that the node is there when the cloud is back", () => {
  const policy = latest();
  const waits = Array.from({ length: 5 }, () => policy.afterFailure(refused, 60_000));
  assert.deepEqual(waits, [500, 1_000, 2_000, 2_000, 2_000]);
  for (let n = 0; n < 10; n += 1) policy.afterFailure(refused, 60_000 + 6 * 60_000);
  assert.equal(policy.afterFailure(refused, 60_000 + 7 * 60_000), 30_000);
});

test("does what the server says, and no earlier", () => {
  assert.equal(latest().afterFailure(busy(120_000), 0), 120_000);
  assert.ok(new ReconnectPolicy(() => 0.9).afterFailure(busy(1_000), 0) >= 1_000);
  assert.equal(latest().afterFailure(busy(undefined), 0), 500);
});

test("links that do not hold make it wait, too", () => {
  const policy = latest();
  const waits = Array.from({ length: 6 }, () => policy.afterLink(100, 0));
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  assert.equal(policy.afterLink(20_000, 0), 0);
});

test("jitter takes up to half of a wait", () => {
  const wait = new ReconnectPolicy(() => 0.999).afterFailure(unreachable, 0);
  assert.ok(wait > 249 && wait < 251);
});
