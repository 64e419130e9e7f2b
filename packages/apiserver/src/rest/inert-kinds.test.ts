import assert from "node:assert/strict";
import { test } from "node:test";
import { CONFIG_MAPS, DEPLOYMENTS, PODS } from "@kedge/kube";
import { builtinResources } from "../resources/builtin-resources.ts";
import { inertWarnings } from "./inert-kinds.ts";

test("who writes what nobody acts on is told so", () => {
  const job = { group: "batch", version: "v1", kind: "Job", resource: "jobs", namespaced: true };
  assert.deepEqual(inertWarnings(job), [
    "this Job is stored, but nothing acts on it: the embedded control plane has no controller for jobs",
  ]);
  for (const type of [CONFIG_MAPS, DEPLOYMENTS, PODS]) assert.deepEqual(inertWarnings(type), []);
});

test("each kind of which that is said is one that we serve", () => {
  const inert = builtinResources().filter(({ type }) => inertWarnings(type).length > 0);
  assert.deepEqual(inert.map(({ type }) => type.resource).toSorted(), [
    "cronjobs",
    "horizontalpodautoscalers",
    "ingresses",
    "jobs",
    "limitranges",
    "networkpolicies",
    "poddisruptionbudgets",
    "replicationcontrollers",
    "resourcequotas",
    "statefulsets",
  ]);
});
