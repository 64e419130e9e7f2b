import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareVersions } from "./compare-versions.ts";

test("compares versions as numbers of any size, not as text", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 80n }), fc.bigInt({ min: 0n, max: 2n ** 80n }), (a, b) => {
      const order = compareVersions(String(a), String(b)) ?? Number.NaN;
      assert.equal(Math.sign(order), a < b ? -1 : a > b ? 1 : 0);
    }),
  );
  assert.equal(compareVersions("007", "7"), 0);
});

test("W27: what is no number cannot be compared, and does no harm", () => {
  for (const odd of [undefined, "", "abc", "-1", "1.5", "9".repeat(65), " 1"]) {
    assert.equal(compareVersions(odd, "1"), undefined);
    assert.equal(compareVersions("1", odd), undefined);
  }
});
