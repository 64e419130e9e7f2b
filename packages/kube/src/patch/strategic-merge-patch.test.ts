import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../json.ts";
import { PatchError } from "./patch-error.ts";
import { NODE_STATUS_PATCH_SCHEMA, type PatchSchema } from "./patch-schema.ts";
import { strategicDiff } from "./strategic-diff.ts";
import { applyStrategicMergePatch } from "./strategic-merge-patch.ts";

const SCHEMA: PatchSchema = {
  properties: {
    containers: {
      "x-kubernetes-patch-merge-key": "name",
      "x-kubernetes-patch-strategy": "merge",
      items: {
        properties: { env: { "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge" } },
      },
    },
    finalizers: { "x-kubernetes-patch-strategy": "merge" },
    strategy: { "x-kubernetes-patch-strategy": "retainKeys" },
    whole: { "x-kubernetes-patch-strategy": "replace" },
  },
};

const cases: { name: string; original: JsonObject; patch: JsonObject; result: JsonObject }[] = [
  {
    name: "merges items by their key, new ones first unless the server's order says otherwise",
    original: {
      containers: [
        { name: "a", image: "1" },
        { name: "b", image: "1" },
      ],
    },
    patch: {
      containers: [
        { name: "c", image: "2" },
        { name: "b", image: "2" },
      ],
    },
    result: {
      containers: [
        { name: "c", image: "2" },
        { name: "a", image: "1" },
        { name: "b", image: "2" },
      ],
    },
  },
  {
    name: "merges lists within items",
    original: { containers: [{ name: "a", env: [{ name: "X", value: "1" }] }] },
    patch: { containers: [{ name: "a", env: [{ name: "Y", value: "2" }] }] },
    result: {
      containers: [
        {
          name: "a",
          env: [
            { name: "Y", value: "2" },
            { name: "X", value: "1" },
          ],
        },
      ],
    },
  },
  {
    name: "deletes an item",
    original: { containers: [{ name: "a" }, { name: "b" }] },
    patch: { containers: [{ name: "a", $patch: "delete" }] },
    result: { containers: [{ name: "b" }] },
  },
  {
    name: "replaces a merged list",
    original: { containers: [{ name: "a" }, { name: "b" }] },
    patch: { containers: [{ $patch: "replace" }, { name: "c" }] },
    result: { containers: [{ name: "c" }] },
  },
  {
    name: "replaces an object by directive",
    original: { other: { a: 1, b: 2 } },
    patch: { other: { $patch: "replace", c: 3 } },
    result: { other: { c: 3 } },
  },
  {
    name: "empties an object by directive",
    original: { other: { a: 1 } },
    patch: { other: { $patch: "delete" } },
    result: { other: {} },
  },
  {
    name: "keeps only the retained keys",
    original: { strategy: { type: "RollingUpdate", rollingUpdate: {} } },
    patch: { strategy: { type: "Recreate", $retainKeys: ["type"] } },
    result: { strategy: { type: "Recreate" } },
  },
  {
    name: "adds to and deletes from lists of primitives",
    original: { finalizers: ["a", "b"] },
    patch: { finalizers: ["c"], "$deleteFromPrimitiveList/finalizers": ["a"] },
    result: { finalizers: ["c", "b"] },
  },
  {
    name: "orders by setElementOrder",
    original: { containers: [{ name: "a" }, { name: "b" }, { name: "c" }] },
    patch: {
      "$setElementOrder/containers": [{ name: "b" }, { name: "d" }, { name: "a" }],
      containers: [{ name: "d", image: "1" }],
    },
    result: { containers: [{ name: "b" }, { name: "d", image: "1" }, { name: "a" }, { name: "c" }] },
  },
  {
    name: "replaces lists without a strategy, and objects whose strategy says so",
    original: { list: [1, 2], whole: { a: 1 } },
    patch: { list: [3], whole: { b: 1 } },
    result: { list: [3], whole: { b: 1 } },
  },
  {
    name: "drops nulls and directives of what is new",
    original: {},
    patch: { other: { a: null, b: { c: 1 }, $patch: "merge" }, more: { a: null, b: 1 } },
    result: { more: { b: 1 } },
  },
];
for (const { name, original, patch, result } of cases)
  test(name, () => assert.deepEqual(applyStrategicMergePatch(original, patch, SCHEMA), result));

const malformed: { name: string; patch: JsonObject }[] = [
  { name: "an item without its key", patch: { containers: [{ image: "1" }] } },
  { name: "an unknown directive", patch: { $patch: "destroy" } },
  { name: "retainKeys that miss a key", patch: { strategy: { type: "x", $retainKeys: [] } } },
  {
    name: "an order that misses an item",
    patch: { "$setElementOrder/containers": [{ name: "a" }], containers: [{ name: "z" }] },
  },
  { name: "a list without a merge key", patch: { finalizers: [{ a: 1 }] } },
];
for (const { name, patch } of malformed)
  test(`refuses ${name}`, () => {
    const original = { containers: [{ name: "a" }], strategy: {}, finalizers: [{ b: 1 }] };
    assert.throws(() => applyStrategicMergePatch(original, patch, SCHEMA), PatchError);
  });

test("a diff of a node's status names only the conditions that changed", () => {
  const before = {
    status: {
      conditions: [
        { type: "Ready", status: "True", lastHeartbeatTime: "1" },
        { type: "DiskPressure", status: "False", lastHeartbeatTime: "1" },
      ],
      capacity: { cpu: "2" },
    },
  };
  const after = structuredClone(before);
  after.status.conditions[0] = { type: "Ready", status: "True", lastHeartbeatTime: "2" };
  assert.deepEqual(strategicDiff(before, after, NODE_STATUS_PATCH_SCHEMA), {
    status: {
      "$setElementOrder/conditions": [{ type: "Ready" }, { type: "DiskPressure" }],
      conditions: [{ type: "Ready", lastHeartbeatTime: "2" }],
    },
  });
});

test("a list with two items of one key is replaced, and kept as it is", () => {
  const before = { status: { addresses: [{ type: "InternalIP", address: "10.0.0.1" }] } };
  const after = {
    status: {
      addresses: [
        { type: "InternalIP", address: "10.0.0.2" },
        { type: "InternalIP", address: "fd00::2" },
      ],
    },
  };
  const patch = strategicDiff(before, after, NODE_STATUS_PATCH_SCHEMA);
  assert.deepEqual(patch, { status: { addresses: [{ $patch: "replace" }, ...after.status.addresses] } });
  assert.deepEqual(applyStrategicMergePatch(before, patch, NODE_STATUS_PATCH_SCHEMA), after);
  assert.deepEqual(
    applyStrategicMergePatch(after, strategicDiff(after, before, NODE_STATUS_PATCH_SCHEMA), NODE_STATUS_PATCH_SCHEMA),
    before,
  );
});

const container = fc.record(
  {
    name: fc.constantFrom("a", "b", "c", "d"),
    image: fc.constantFrom("1", "2"),
    env: fc.uniqueArray(fc.record({ name: fc.constantFrom("X", "Y", "Z"), value: fc.constantFrom("1", "2") }), {
      selector: ({ name }) => name,
    }),
  },
  { requiredKeys: ["name"] },
);
const object = fc.record(
  {
    containers: fc.uniqueArray(container, { selector: ({ name }) => name, maxLength: 4 }),
    finalizers: fc.uniqueArray(fc.constantFrom("f", "g", "h")),
    strategy: fc.dictionary(fc.constantFrom("p", "q"), fc.nat(2)),
    whole: fc.dictionary(fc.constantFrom("p", "q"), fc.nat(2)),
    list: fc.array(fc.nat(2)),
  },
  { requiredKeys: [] },
);

test("applying a diff gives what it was made from", () => {
  fc.assert(
    fc.property(object, object, (original, modified) => {
      const patch = strategicDiff(original, modified, SCHEMA);
      assert.deepEqual(plain(applyStrategicMergePatch(original, patch, SCHEMA)), plain(modified));
    }),
    { numRuns: 1000 },
  );
});

test("no difference, no patch", () => {
  fc.assert(fc.property(object, (same) => assert.deepEqual(strategicDiff(same, same, SCHEMA), {})));
});

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
