import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "./clock.ts";

test("a sleep of years is not over at once", async () => {
  const life = new AbortController();
  const slept = systemClock.sleep(100 * 365 * 86_400_000, life.signal).then(() => "over");
  const first = await Promise.race([slept, systemClock.sleep(50, life.signal).then(() => "short")]);
  assert.equal(first, "short");
  life.abort();
  await assert.rejects(slept);
});
