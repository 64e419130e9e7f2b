import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatFieldSelector, matchesFields, parseFieldSelector } from "./field-selector.ts";
import { SelectorError } from "./selector-error.ts";

test("matches all of several terms", () => {
  const requirements = parseFieldSelector("spec.nodeName=edge-1,status.phase!=Failed");
  assert.equal(matchesFields(requirements, { "spec.nodeName": "edge-1", "status.phase": "Running" }), true);
  assert.equal(matchesFields(requirements, { "spec.nodeName": "edge-1", "status.phase": "Failed" }), false);
});

test("takes an absent field as empty", () => {
  assert.equal(matchesFields(parseFieldSelector("spec.nodeName="), {}), true);
});

for (const bad of ["spec", "a=b\\", "a=b=c", "=x"])
  test(`refuses "${bad}"`, () => assert.throws(() => parseFieldSelector(bad), SelectorError));

test("what it writes it reads back", () => {
  const requirement = fc.record(
    { field: fc.stringMatching(/^[a-zA-Z.]{1,9}$/), equal: fc.boolean(), value: fc.string() },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), (requirements) => {
      assert.deepEqual(parseFieldSelector(formatFieldSelector(requirements)), requirements);
    }),
  );
});
