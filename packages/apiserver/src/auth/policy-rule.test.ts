import assert from "node:assert/strict";
import { test } from "node:test";
import { type Attributes, type PolicyRule, ruleAllows } from "./policy-rule.ts";

const pods: PolicyRule = { verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] };
const get: Attributes = { verb: "get", resource: "pods" };
const cases: readonly { name: string; rule: PolicyRule; what: Attributes; allowed: boolean }[] = [
  { name: "what it names", rule: pods, what: get, allowed: true },
  { name: "no other verb", rule: pods, what: { ...get, verb: "delete" }, allowed: false },
  { name: "no other group", rule: pods, what: { ...get, group: "apps" }, allowed: false },
  { name: "no subresource", rule: pods, what: { ...get, subresource: "log" }, allowed: false },
  {
    name: "a subresource by name",
    rule: { ...pods, resources: ["pods/log"] },
    what: { ...get, subresource: "log" },
    allowed: true,
  },
  {
    name: "not the resource by its subresource",
    rule: { ...pods, resources: ["pods/log"] },
    what: get,
    allowed: false,
  },
  {
    name: "a subresource of all",
    rule: { ...pods, resources: ["*/scale"] },
    what: { ...get, subresource: "scale" },
    allowed: true,
  },
  {
    name: "everything",
    rule: { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    what: { ...get, subresource: "x" },
    allowed: true,
  },
  { name: "one object", rule: { ...pods, resourceNames: ["a"] }, what: { ...get, name: "a" }, allowed: true },
  { name: "no other object", rule: { ...pods, resourceNames: ["a"] }, what: { ...get, name: "b" }, allowed: false },
  {
    name: "no list for one object",
    rule: { ...pods, resourceNames: ["a"] },
    what: { verb: "list", resource: "pods" },
    allowed: false,
  },
  {
    name: "a path",
    rule: { verbs: ["get"], nonResourceURLs: ["/api"] },
    what: { verb: "get", path: "/api" },
    allowed: true,
  },
  {
    name: "what begins like it",
    rule: { verbs: ["get"], nonResourceURLs: ["/api/*"] },
    what: { verb: "get", path: "/api/v1" },
    allowed: true,
  },
  {
    name: "no other path",
    rule: { verbs: ["get"], nonResourceURLs: ["/api/*"] },
    what: { verb: "get", path: "/apis" },
    allowed: false,
  },
  {
    name: "no path by a rule for resources",
    rule: { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    what: { verb: "get", path: "/x" },
    allowed: false,
  },
  {
    name: "no resource by a rule for paths",
    rule: { verbs: ["*"], nonResourceURLs: ["*"] },
    what: get,
    allowed: false,
  },
];
for (const { name, rule, what, allowed } of cases)
  test(`a rule allows ${name}`, () => assert.equal(ruleAllows(rule, what), allowed));
