import assert from "node:assert/strict";
import { test } from "node:test";
import { CONFIG_MAPS, type KubeObject } from "@kedge/kube";
import { DependencyGraph, FOREGROUND, type GraphNode } from "./dependency-graph.ts";
import { type CollectionPlan, type OwnerState, planCollection } from "./plan-collection.ts";

function object(uid: string, owners: readonly string[] = [], finalizers: string[] = [], deleting = false): KubeObject {
  return {
    metadata: {
      uid,
      name: uid,
      namespace: "n",
      finalizers,
      ownerReferences: owners.map((owner) => ({ apiVersion: "v1", kind: "ConfigMap", name: owner, uid: owner })),
      ...(deleting ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
  };
}

test("knows who depends on whom, also on an owner that it has not seen yet", () => {
  const graph = new DependencyGraph();
  graph.upsert(CONFIG_MAPS, object("child", ["root"]));
  graph.upsert(CONFIG_MAPS, object("root"));
  assert.deepEqual(
    graph.dependentsOf("root").map(({ uid }) => uid),
    ["child"],
  );
  graph.upsert(CONFIG_MAPS, object("child", ["other"]));
  assert.deepEqual(graph.dependentsOf("root"), []);
  assert.deepEqual(
    graph.dependentsOf("other").map(({ uid }) => uid),
    ["child"],
  );
});

test("asks to look at dependents of what is gone, and at owners that wait", () => {
  const graph = new DependencyGraph();
  graph.upsert(CONFIG_MAPS, object("root", [], [FOREGROUND], true));
  assert.deepEqual(graph.upsert(CONFIG_MAPS, object("child", ["root"])), ["child", "root"]);
  graph.upsert(CONFIG_MAPS, object("grandchild", ["child"]));
  assert.deepEqual(graph.remove("child"), ["grandchild", "root"]);
  assert.deepEqual(graph.remove("child"), []);
});

test("forgets nothing and keeps nothing", () => {
  const graph = new DependencyGraph();
  for (let index = 0; index < 100; index += 1) graph.upsert(CONFIG_MAPS, object(`c${index}`, [`o${index % 7}`]));
  for (let index = 0; index < 100; index += 1) graph.remove(`c${index}`);
  assert.equal(graph.size, 0);
  for (let index = 0; index < 7; index += 1) assert.deepEqual(graph.dependentsOf(`o${index}`), []);
});

const node = (parts: Partial<GraphNode> = {}): GraphNode => ({
  uid: "x",
  type: CONFIG_MAPS,
  namespace: "n",
  name: "x",
  owners: [],
  deleting: false,
  finalizers: [],
  ...parts,
});
interface Case {
  readonly name: string;
  readonly states: readonly OwnerState[];
  readonly node?: Partial<GraphNode>;
  readonly hasDependents?: boolean;
  readonly plan: CollectionPlan;
}
const cases: readonly Case[] = [
  { name: "keeps what has no owner", states: [], plan: { action: "keep" } },
  { name: "keeps what has its owner", states: ["present"], plan: { action: "keep" } },
  { name: "keeps what goes already", states: ["absent"], node: { deleting: true }, plan: { action: "keep" } },
  {
    name: "deletes what lost its last owner",
    states: ["absent", "absent"],
    plan: { action: "delete", propagationPolicy: "Background" },
  },
  {
    name: "forgets lost owners while one is left",
    states: ["absent", "present", "waiting"],
    plan: { action: "dropOwners", uids: ["o0", "o2"] },
  },
  {
    name: "deletes what its owner waits for",
    states: ["waiting"],
    plan: { action: "delete", propagationPolicy: "Background" },
  },
  {
    name: "and from the leaves, where it has dependents itself",
    states: ["waiting"],
    hasDependents: true,
    plan: { action: "delete", propagationPolicy: "Foreground" },
  },
  {
    name: "honours a wish to orphan",
    states: ["absent"],
    node: { finalizers: ["orphan"] },
    plan: { action: "delete", propagationPolicy: "Orphan" },
  },
  {
    name: "honours a wish for the foreground",
    states: ["absent"],
    node: { finalizers: [FOREGROUND] },
    plan: { action: "delete", propagationPolicy: "Foreground" },
  },
];
for (const each of cases)
  test(each.name, () => {
    const owners = each.states.map((state, index) => ({
      state,
      owner: { apiVersion: "v1", kind: "ConfigMap", name: `o${index}`, uid: `o${index}` },
    }));
    assert.deepEqual(planCollection(node(each.node), owners, each.hasDependents ?? false), each.plan);
  });
