import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatResource,
  parseObjectResource,
  parseResource,
  targetNode,
  toNode,
  trimNodePrefix,
} from "./resource-path.ts";
import { FRAME_VECTORS } from "./vectors.test-data.ts";

for (const { name, message, cloud_internal_resource } of FRAME_VECTORS) {
  if (typeof cloud_internal_resource !== "string") continue;
  test(`${name} travels with the recorded resource, to the recorded node`, () => {
    assert.equal(trimNodePrefix(cloud_internal_resource), message.route.resource);
    assert.equal(targetNode(cloud_internal_resource), "edge-1");
  });
}

const trimmed = [
  { resource: "node", wire: "node" },
  { resource: "node/edge-1", wire: "node/edge-1" },
  { resource: "node/edge-1/a/b/c", wire: "a/b/c" },
  { resource: "node/edge-1//test", wire: "/test" },
  { resource: "nodes/edge-1/x", wire: "x" },
  { resource: "default/pod/node/x", wire: "default/pod/node/x" },
  { resource: "prepull/task/node/edge-1", wire: "prepull/task/node/edge-1" },
];
for (const { resource, wire } of trimmed)
  test(`trims ${resource} to ${wire}`, () => assert.equal(trimNodePrefix(resource), wire));

test("finds the node after the first part that is exactly node", () => {
  assert.equal(targetNode("operations.kubeedge.io/v1alpha2/nodeupgradejob/j/node/n1"), "n1");
  assert.equal(targetNode("node/n1/default/node/x"), "n1");
  assert.equal(targetNode("default/pod/x"), undefined);
  assert.equal(targetNode("node/"), undefined);
  assert.equal(targetNode(undefined), undefined);
});

test("reads namespaced, cluster-scoped and list resources", () => {
  assert.deepEqual(parseResource("default/pod/x"), { namespace: "default", type: "pod", name: "x" });
  assert.deepEqual(parseResource("null/node/x"), { namespace: undefined, type: "node", name: "x" });
  assert.deepEqual(parseResource("default/podstatus"), { namespace: "default", type: "podstatus", name: undefined });
});

for (const resource of [undefined, "", "node", "/pod/x", "a//x", "a/b/", "a/b/c/d"])
  test(`finds no object in ${String(resource)}`, () => {
    assert.equal(parseResource(resource), undefined);
    assert.throws(() => parseObjectResource(resource), { code: "InvalidResource" });
  });

test("what is formatted is parsed to the same", () => {
  const part = fc.stringMatching(/^[a-z0-9][-a-z0-9.]{0,20}$/).filter((text) => text !== "null");
  fc.assert(
    fc.property(part, part, fc.option(part, { nil: undefined }), (type, name, namespace) => {
      const key = namespace === undefined ? { name } : { namespace, name };
      const resource = formatResource(type, key);
      assert.deepEqual(parseObjectResource(resource), { type, key });
      assert.equal(trimNodePrefix(toNode("node-1", resource)), resource);
    }),
  );
});
