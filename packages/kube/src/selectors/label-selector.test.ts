import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatLabelSelector,
  matchesLabels,
  parseLabelSelector,
  requirementsOf,
  selectorMatches,
} from "./label-selector.ts";
import { SelectorError } from "./selector-error.ts";

const cases: { selector: string; labels: Record<string, string>; matches: boolean }[] = [
  { selector: "", labels: {}, matches: true },
  { selector: "app=web", labels: { app: "web" }, matches: true },
  { selector: "app==web", labels: { app: "web" }, matches: true },
  { selector: "app = web , tier", labels: { app: "web", tier: "" }, matches: true },
  { selector: "app=web", labels: {}, matches: false },
  { selector: "app=", labels: { app: "" }, matches: true },
  { selector: "app!=web", labels: {}, matches: true },
  { selector: "app!=web", labels: { app: "web" }, matches: false },
  { selector: "tier in (a, b)", labels: { tier: "b" }, matches: true },
  { selector: "tier notin (a,b),x", labels: { x: "1" }, matches: true },
  { selector: "in in (in)", labels: { in: "in" }, matches: true },
  { selector: "!old", labels: { old: "" }, matches: false },
  { selector: "cpu>4,cpu<10", labels: { cpu: "5" }, matches: true },
  { selector: "cpu>4", labels: { cpu: "many" }, matches: false },
  { selector: "constructor", labels: {}, matches: false },
  { selector: "node-role.kubernetes.io/edge=", labels: { "node-role.kubernetes.io/edge": "" }, matches: true },
];
for (const { selector, labels, matches } of cases)
  test(`"${selector}" ${matches ? "selects" : "passes over"} ${JSON.stringify(labels)}`, () =>
    assert.equal(matchesLabels(parseLabelSelector(selector), labels), matches));

for (const bad of ["a b", "=x", "a=b=c", "a in b", "a in (", "!a=b", "a,,b", "a=b,", "cpu>x", "a=-b", "a/b/c=d", "/a"])
  test(`refuses "${bad}"`, () => assert.throws(() => parseLabelSelector(bad), SelectorError));

test("an absent selector selects nothing, an empty one everything", () => {
  assert.equal(selectorMatches(undefined, { a: "b" }), false);
  assert.equal(selectorMatches({}, { a: "b" }), true);
});

test("reads expressions, and refuses those that make no sense", () => {
  const selector = { matchLabels: { a: "1" }, matchExpressions: [{ key: "b", operator: "DoesNotExist" }] };
  assert.equal(formatLabelSelector(requirementsOf(selector) ?? []), "a=1,!b");
  assert.throws(() => requirementsOf({ matchExpressions: [{ key: "b", operator: "In", values: [] }] }), SelectorError);
  assert.throws(() => requirementsOf({ matchExpressions: [{ key: "b", operator: "Near" }] }), SelectorError);
  assert.throws(() => requirementsOf({ matchExpressions: [{ key: "b", operator: "constructor" }] }), SelectorError);
});

test("what it writes it reads back", () => {
  const key = fc.stringMatching(/^[a-z]{1,5}(\/[a-z]{1,5})?$/);
  const values = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,4}$/), { minLength: 1, maxLength: 3 });
  const requirement = fc.oneof(
    fc.record({ key, operator: fc.constantFrom("in" as const, "notin" as const), values }),
    fc.record({ key, operator: fc.constantFrom("exists" as const, "!exists" as const), values: fc.constant([]) }),
  );
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 4 }), (requirements) => {
      const text = formatLabelSelector(requirements);
      assert.equal(formatLabelSelector(parseLabelSelector(text)), text);
    }),
  );
});
