import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, NodeAddress, NodeStatus } from "@kedge/kube";
import {
  asReported,
  endpointPatch,
  KUBELET_ENDPOINT_ANNOTATION,
  type KubeletEndpoint,
  ownEndpoint,
  readEndpoint,
  shownAddresses,
  shows,
  withReported,
} from "./node-endpoint.ts";

const OWN: NodeAddress[] = [
  { type: "InternalIP", address: "192.0.2.7" },
  { type: "Hostname", address: "edge-1" },
];
const CLOUD: NodeAddress[] = [
  { type: "InternalIP", address: "10.0.0.1" },
  { type: "Hostname", address: "10.0.0.1" },
];

const endpoint = (changes: Partial<KubeletEndpoint> = {}): KubeletEndpoint => ({
  turn: 1,
  address: "10.0.0.1",
  port: 13_007,
  streamPort: 10_003,
  own: { addresses: OWN, port: 10_350 },
  ...changes,
});

/** A Node as the API server has it once cloudcore has written. */
function shownNode(written = endpoint(), addresses = shownAddresses(written.address, written.own)): Node {
  return {
    metadata: { name: "edge-1", annotations: { [KUBELET_ENDPOINT_ANNOTATION]: JSON.stringify(written), mine: "yes" } },
    status: { phase: "Running", addresses, daemonEndpoints: { kubeletEndpoint: { Port: written.port } } },
  };
}

const reportedNode = (addresses = OWN): Node => ({
  metadata: { name: "edge-1", annotations: { mine: "yes" } },
  status: { phase: "Running", addresses, daemonEndpoints: { kubeletEndpoint: { Port: 10_350 } } },
});

test("cloudcore's address comes first of both types that API servers look for; the node's own follow", () => {
  assert.deepEqual(shownAddresses("10.0.0.1", { addresses: OWN }), [...CLOUD, ...OWN]);
});

test("an address that both have is named once: a Node may not name one twice", () => {
  const own = { addresses: [{ type: "InternalIP", address: "10.0.0.1" }, ...OWN.slice(1)] };
  assert.deepEqual(shownAddresses("10.0.0.1", own), [...CLOUD, { type: "Hostname", address: "edge-1" }]);
});

test("the edge sees its Node as it reported it", () => assert.deepEqual(asReported(shownNode()), reportedNode()));

test("a Node of which cloudcore has said nothing stays as it is", () => {
  const node = reportedNode();
  assert.equal(asReported(node), node);
  assert.deepEqual(ownEndpoint(node), { addresses: OWN, port: 10_350 });
});

test("what somebody has written over the addresses since is the node's, less what is ours", () => {
  const raw = [{ type: "InternalIP", address: "192.0.2.8" }];
  assert.deepEqual(ownEndpoint(shownNode(endpoint(), raw)).addresses, raw);
  assert.deepEqual(ownEndpoint(shownNode(endpoint(), [...CLOUD, ...raw])).addresses, raw);
});

test("a written Node shows what it should; another turn, port or address does not", () => {
  assert.equal(shows(shownNode(), endpoint()), true);
  assert.equal(shows(shownNode(), endpoint({ turn: 2 })), false);
  assert.equal(shows(shownNode(), endpoint({ port: 1 })), false);
  assert.equal(shows(shownNode(endpoint(), OWN), endpoint()), false);
});

test("the patch says what is shown, and notes what the node reports", () => {
  const patch = endpointPatch(endpoint(), "7") as {
    metadata: { annotations: Record<string, string> };
    status: NodeStatus;
  };
  assert.deepEqual(patch.status.addresses, [...CLOUD, ...OWN]);
  assert.deepEqual(readEndpoint({ metadata: patch.metadata }), endpoint());
});

for (const [name, text] of [
  ["no JSON", "{"],
  ["a list", "[]"],
  ["without what the node reports", JSON.stringify({ ...endpoint(), own: undefined })],
  ["with addresses that are none", JSON.stringify({ ...endpoint(), own: { addresses: [1] } })],
  ["with a port below zero", JSON.stringify({ ...endpoint(), port: -1 })],
] as const)
  test(`an annotation that makes no sense counts as none: ${name}`, () => {
    assert.equal(readEndpoint({ metadata: { annotations: { [KUBELET_ENDPOINT_ANNOTATION]: text } } }), undefined);
  });

const NEW: NodeAddress = { type: "InternalIP", address: "192.0.2.9" };
const patches: readonly { readonly name: string; readonly status: object; readonly addresses: unknown }[] = [
  {
    name: "of our edge, which replaces the list",
    status: { addresses: [NEW, { $patch: "replace" }] },
    addresses: [...CLOUD, NEW, { $patch: "replace" }],
  },
  {
    name: "of a stock edge, which merges by type",
    status: { addresses: [NEW], "$setElementOrder/addresses": [{ type: "InternalIP" }, { type: "Hostname" }] },
    addresses: [...CLOUD, NEW, { type: "Hostname", address: "edge-1" }, { $patch: "replace" }],
  },
  { name: "that says nothing of addresses", status: { phase: "Running" }, addresses: undefined },
];
for (const { name, status, addresses } of patches)
  test(`cloudcore's address survives a status patch ${name}`, () => {
    const changed = withReported(shownNode(), { ...status, daemonEndpoints: { kubeletEndpoint: { Port: 1 } } });
    assert.deepEqual((changed as { addresses?: unknown }).addresses, addresses);
    assert.equal("daemonEndpoints" in (changed as object), false, "the port is not the node's to change");
  });

test("before cloudcore has written, a node's status is its own", () => {
  const status = { addresses: [NEW], daemonEndpoints: { kubeletEndpoint: { Port: 1 } } };
  assert.equal(withReported(reportedNode(), status), status);
});
