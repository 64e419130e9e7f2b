import assert from "node:assert/strict";
import { test } from "node:test";
import { clockCheck } from "./cloud-checks.ts";

const CLOUD = Date.parse("2026-01-01T00:00:00Z");
const clock = (dateHeader: string | undefined, hostMs: number) =>
  clockCheck({ dateHeader }, () => hostMs).run(AbortSignal.timeout(1_000));

test("FIX: a clock that is wrong is told before it shows as certificates that are not valid yet", async () => {
  const header = new Date(CLOUD).toUTCString();
  assert.equal(await clock(header, CLOUD + 4_000), "4 s from the cloud's");
  await assert.rejects(clock(header, CLOUD + 3_600_000), /this host's clock is 3600 s ahead of the cloud's: set it/);
  await assert.rejects(clock(header, CLOUD - 301_000), /301 s behind the cloud's/);
});

test("a cloud that does not tell its time is no reason to stop", async () => {
  assert.equal(await clock(undefined, CLOUD), "the cloud does not tell its time");
  assert.equal(await clock("yesterday", CLOUD), "the cloud does not tell its time");
});
