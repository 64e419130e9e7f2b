import assert from "node:assert/strict";
import { test } from "node:test";
import { currentLimits } from "./generate-limits.ts";

test("docs/LIMITS.md lists every limit in the sources; otherwise: node scripts/generate-limits.ts", () => {
  const { actual, expected } = currentLimits();
  assert.equal(actual, expected);
});
