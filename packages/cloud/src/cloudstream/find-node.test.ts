import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, Pod } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import { findNode } from "./find-node.ts";

const nodes: Record<string, readonly string[]> = { "192.0.2.7": ["edge-1"], "192.168.0.2": ["edge-1", "edge-2"] };
const deps = {
  view: {
    node: (name: string): Node | undefined => (name.startsWith("edge-") ? { metadata: { name } } : undefined),
    pod: ({ namespace, name }: { namespace?: string; name: string }): Pod | undefined =>
      `${namespace}/${name}` === "default/web" ? ({ spec: { nodeName: "edge-2" } } as Pod) : undefined,
  },
  nodeOfPort: (port: number | undefined) => (port === 13_001 ? "edge-1" : undefined),
  nodesAt: (address: string) => nodes[address] ?? [],
};
const find = (parameters: Record<string, string>, headers: Record<string, string> = {}, localPort = 10_003) =>
  findNode({ parameters }, { headers, localPort }, deps);

test("the node's own port says it all", () =>
  assert.equal(find({ namespace: "default", pod: "web" }, {}, 13_001), "edge-1"));
test("a pod is on its node", () => assert.equal(find({ namespace: "default", pod: "web" }), "edge-2"));
test("the API server says for which node it was asked", () => {
  assert.equal(find({}, { "x-forwarded-uri": "/api/v1/nodes/edge-1/proxy/stats/summary" }), "edge-1");
  assert.equal(find({}, { "x-forwarded-uri": "/api/v1/nodes/edge-1:10250/proxy/metrics" }), "edge-1");
});
test("the address that was dialled, or a name, where it is one node's", () => {
  assert.equal(find({}, { host: "192.0.2.7:10351" }), "edge-1");
  assert.equal(find({}, { host: "edge-2:10003" }), "edge-2");
});

for (const [name, run] of [
  ["W7: two nodes at one address", () => find({}, { host: "192.168.0.2:10351" })],
  ["nobody's address", () => find({}, { host: "203.0.113.1" })],
  ["a pod that is not there", () => find({ namespace: "default", pod: "gone" })],
  ["a node that is no edge node", () => find({}, { "x-forwarded-uri": "/api/v1/nodes/master/proxy/stats" })],
  ["nothing at all", () => find({})],
] as const)
  test(`tells nobody apart: ${name}`, () => assert.throws(run, (error) => hasCode(error, "NodeUnknown")));
