import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeSelectorTerm, Pod } from "../kube-types.ts";
import { matchesNodeAffinity, preferredNodeWeight } from "./node-affinity.ts";

const node = { metadata: { name: "a", labels: { disk: "ssd", size: "10", version: "10.5" } } };

function requires(...nodeSelectorTerms: NodeSelectorTerm[]): Pod {
  const requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms };
  return { spec: { containers: [], affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution } } } };
}

const label = (key: string, operator: string, ...values: string[]): Pod =>
  requires({ matchExpressions: [{ key, operator, values }] });

const cases: { name: string; pod: Pod; matches: boolean }[] = [
  { name: "no wish", pod: {}, matches: true },
  { name: "a selector", pod: { spec: { containers: [], nodeSelector: { disk: "ssd" } } }, matches: true },
  { name: "another selector", pod: { spec: { containers: [], nodeSelector: { disk: "hdd" } } }, matches: false },
  { name: "In", pod: label("disk", "In", "hdd", "ssd"), matches: true },
  { name: "NotIn", pod: label("disk", "NotIn", "ssd"), matches: false },
  { name: "Exists", pod: label("disk", "Exists"), matches: true },
  { name: "a name that every object inherits", pod: label("constructor", "Exists"), matches: false },
  { name: "DoesNotExist", pod: label("disk", "DoesNotExist"), matches: false },
  { name: "Gt", pod: label("size", "Gt", "9"), matches: true },
  { name: "Lt", pod: label("size", "Lt", "9"), matches: false },
  { name: "Gt of no whole number", pod: label("version", "Gt", "9"), matches: false },
  { name: "Gt than nothing", pod: label("size", "Gt"), matches: false },
  { name: "Gt than an empty text", pod: label("size", "Gt", ""), matches: false },
  { name: "an unknown operator", pod: label("size", "Near", "9"), matches: false },
  { name: "an empty term", pod: requires({}), matches: false },
  { name: "no term", pod: requires(), matches: false },
  {
    name: "one term of two",
    pod: requires({}, { matchFields: [{ key: "metadata.name", operator: "In", values: ["a"] }] }),
    matches: true,
  },
];
for (const { name, pod, matches } of cases)
  test(`node affinity: ${name} ${matches ? "matches" : "does not match"}`, () =>
    assert.equal(matchesNodeAffinity(pod, node), matches));

test("the weights of preferred terms that match add up", () => {
  const preference = (key: string) => ({ matchExpressions: [{ key, operator: "Exists" }] });
  const preferredDuringSchedulingIgnoredDuringExecution = [
    { weight: 5, preference: preference("disk") },
    { weight: 7, preference: preference("gpu") },
    { weight: 2, preference: preference("size") },
  ];
  const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution } };
  assert.equal(preferredNodeWeight({ spec: { containers: [], affinity } }, node), 7);
});
