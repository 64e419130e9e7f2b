import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  QuantityError,
  quantityToInteger,
  quantityToMillis,
} from "./quantity.ts";

const canonical: [string | number, string][] = [
  ["100m", "100m"],
  ["1000m", "1"],
  ["0.5", "500m"],
  [".5", "500m"],
  ["1.", "1."],
  ["1.500", "1.500"],
  ["1.50", "1500m"],
  ["0.100", "100m"],
  [1, "1"],
  [0.1, "100m"],
  ["1Gi", "1Gi"],
  ["1024Mi", "1Gi"],
  ["1.5Gi", "1536Mi"],
  ["1023Ki", "1023Ki"],
  ["0.5Ki", "512"],
  ["1e3", "1e3"],
  ["1000e0", "1e3"],
  ["1E3", "1E3"],
  ["1000E0", "1e3"],
  ["1e20", "100e18"],
  ["1e21", "1e21"],
  ["5E", "5E"],
  ["12e-1", "1200e-3"],
  ["100k", "100k"],
  ["1000k", "1M"],
  ["0", "0"],
  ["0Gi", "0"],
  ["-1", "-1"],
  ["+2", "+2"],
  ["+2000", "2k"],
  ["1n", "1n"],
  ["0.1n", "1n"],
  ["999999999999999999999", "999999999999999999999"],
  ["100Ei", "9223372036854775807"],
];
for (const [input, expected] of canonical)
  test(`writes ${input} as ${expected}`, () => assert.equal(canonicalQuantity(input), expected));

for (const bad of ["", "m", "1 Gi", "1gi", "1KiB", "--1", "1e", "0x10", "1.2.3", "Infinity"])
  test(`refuses "${bad}"`, () => assert.throws(() => parseQuantity(bad), QuantityError));

test("compares across formats", () => {
  assert.equal(compareQuantities(parseQuantity("1024Mi"), parseQuantity("1Gi")), 0);
  assert.ok(compareQuantities(parseQuantity("1G"), parseQuantity("1Gi")) < 0);
});

test("adds without losing anything", () => {
  assert.equal(formatQuantity(addQuantities(parseQuantity("100m"), parseQuantity("1.9"))), "2");
  assert.equal(formatQuantity(addQuantities(parseQuantity("0"), parseQuantity("1Gi"))), "1Gi");
});

test("rounds up to whole units and to thousandths", () => {
  assert.equal(quantityToInteger(parseQuantity("100m")), 1n);
  assert.equal(quantityToMillis(parseQuantity("1.0001")), 1001n);
});

test("the canonical form is a fixed point and keeps the amount", () => {
  const suffix = fc.constantFrom("", "m", "k", "M", "Ki", "Mi", "Gi", "e3", "e-3");
  fc.assert(
    fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.nat(999), suffix, (whole, fraction, unit) => {
      const text = `${whole}.${fraction}${unit}`;
      const once = canonicalQuantity(text);
      assert.equal(canonicalQuantity(once), once);
      assert.equal(compareQuantities(parseQuantity(once), parseQuantity(text)), 0);
    }),
  );
});
