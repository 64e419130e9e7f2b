import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageRate, MESSAGES_AT_ONCE_MAX, MESSAGES_PER_SECOND_MAX } from "./message-rate.ts";

test("lets a burst through, then as many a second as are allowed", () => {
  const rate = new MessageRate();
  for (let count = 0; count < MESSAGES_AT_ONCE_MAX; count += 1) assert.equal(rate.take(1_000), 0);
  let now = 1_000;
  for (let count = 0; count < MESSAGES_PER_SECOND_MAX; count += 1) now += rate.take(now);
  assert.ok(Math.abs(now - 2_000) < 100, `${now}`);
});

test("large messages count for more", () => {
  const rate = new MessageRate();
  const bytes = 32 * 1024 * 1024;
  let now = 0;
  for (let count = 0; count < 5; count += 1) now += rate.take(now, bytes);
  assert.ok(now > 15_000, `${now}`);
});

test("a node that was quiet may speak at once again", () => {
  const rate = new MessageRate();
  for (let count = 0; count < 2 * MESSAGES_AT_ONCE_MAX; count += 1) rate.take(0);
  assert.ok(rate.take(0) > 0);
  assert.equal(rate.take((3 * MESSAGES_AT_ONCE_MAX * 1_000) / MESSAGES_PER_SECOND_MAX), 0);
});
