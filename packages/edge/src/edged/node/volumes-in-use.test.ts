import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, NodeStatus } from "@kedge/kube";
import type { StatusFacts } from "./node-facts.ts";
import { nodeStatus } from "./node-object.ts";
import { nodeStatusPatch } from "./node-status-patch.ts";

const VOLUME = "kubernetes.io/csi/d^v";
const facts = (volumesInUse: readonly string[] | undefined) =>
  ({
    addresses: [],
    resources: { capacity: {}, allocatable: {} },
    machine: { system: {} },
    runtime: { version: "", errors: [], volumesInUse },
    version: "v1",
  }) as unknown as StatusFacts;
const next = (status: NodeStatus, inUse: readonly string[] | undefined): NodeStatus =>
  nodeStatus(status, facts(inUse), 0);

for (const { name, before, inUse, told } of [
  { name: "nothing in use is nothing to tell", before: undefined, inUse: [], told: undefined },
  { name: "what is in use is told", before: undefined, inUse: [VOLUME], told: [VOLUME] },
  { name: "what is in use no more is taken back", before: [VOLUME], inUse: [], told: null },
  { name: "what is not known stays", before: [VOLUME], inUse: undefined, told: undefined },
])
  test(`volumes in use: ${name}`, () => {
    const base: Node = { metadata: { name: "n" }, status: next({}, before) };
    const { patch } = nodeStatusPatch(base, { ...base, status: next(base.status ?? {}, inUse) });
    assert.deepEqual((JSON.parse(patch) as { status: { volumesInUse?: unknown } }).status.volumesInUse, told);
  });
