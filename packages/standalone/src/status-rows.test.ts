import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceRow, nodeRow } from "./status-rows.ts";

const condition = (status: "True" | "Unknown", message: string) => ({ type: "Ready", status, message });
const nodes = [
  { name: "a node that is ready", unschedulable: undefined, ready: condition("True", "fine"), state: "Ready" },
  { name: "a cordoned node", unschedulable: true, ready: condition("True", "fine"), state: "Ready,SchedulingDisabled" },
  { name: "a node that is away", unschedulable: undefined, ready: condition("Unknown", "gone"), state: "NotReady" },
];
for (const { name, unschedulable, ready, state } of nodes)
  test(`${name} is ${state}`, () => {
    const node = {
      metadata: { name: "n" },
      spec: unschedulable === undefined ? {} : { unschedulable },
      status: { conditions: [ready] },
    };
    assert.deepEqual(nodeRow(node), ["node", "n", state, ready.message]);
  });

const twin = (propertyName: string, value?: string) => ({
  propertyName,
  ...(value !== undefined && { reported: { value, metadata: {} } }),
});
const devices = [
  { name: "a device with a word of its own", status: { state: "online", twins: [] }, state: "online", detail: "" },
  { name: "one that reports", status: { twins: [twin("t", "21"), twin("u")] }, state: "reporting", detail: "t=21 u=?" },
  { name: "one that says nothing", status: {}, state: "silent", detail: "" },
];
for (const { name, status, state, detail } of devices)
  test(`${name} is ${state}`, () => {
    const device = { metadata: { namespace: "default", name: "d" }, status };
    assert.deepEqual(deviceRow(device), ["device", "default/d", state, detail]);
  });
