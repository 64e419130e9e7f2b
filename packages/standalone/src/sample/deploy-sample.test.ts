import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeTwin } from "./deploy-sample.ts";

const cases = [
  { name: "the desired value", desired: "21.5", reported: "21.50", done: true },
  { name: "another value than the desired one", desired: "25", reported: "21.5", done: false },
  { name: "nothing", desired: "25", reported: undefined, done: false },
  { name: "what it has, of a value that it cannot take", desired: "warm", reported: "21.5", done: true },
];
for (const { name, desired, reported, done } of cases)
  test(`a device that reports ${name} is ${done ? "enough" : "waited for"}`, () => {
    const value = reported === undefined ? {} : { reported: { value: reported, metadata: {} } };
    const status = { metadata: {}, status: { twins: [{ propertyName: "target", ...value }] } };
    assert.equal(judgeTwin(desired, status) !== undefined, done);
  });
