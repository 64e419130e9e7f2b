import assert from "node:assert/strict";
import { test } from "node:test";
import { runtimeErrors } from "./runtime-health.ts";

const ready = (type: string) => ({ type, status: true, reason: "", message: "" });
const cni = {
  type: "NetworkReady",
  status: false,
  reason: "NetworkPluginNotReady",
  message: "Network plugin returns error: cni plugin not initialized",
};

const cases = [
  {
    name: "all is well",
    conditions: [ready("RuntimeReady"), ready("NetworkReady"), { ...cni, type: "Other" }],
    errors: [],
  },
  {
    name: "no network yet",
    conditions: [ready("RuntimeReady"), cni],
    errors: [
      "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
    ],
  },
  {
    name: "nothing told",
    conditions: [],
    errors: [
      "container runtime not ready: the runtime does not tell its condition RuntimeReady",
      "container runtime network not ready: the runtime does not tell its condition NetworkReady",
    ],
  },
];
for (const { name, conditions, errors } of cases)
  test(`runtime conditions: ${name}`, () => assert.deepEqual(runtimeErrors(conditions), errors));
