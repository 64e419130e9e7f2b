import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, ReplicaSet } from "@kedge/kube";
import { planClaims } from "../claim-children.ts";
import { createSlowly } from "../pods/create-slowly.ts";
import { planReplicas } from "./plan-replicas.ts";
import { rankForDeletion } from "./rank-pods.ts";
import { replicaSetStatus } from "./replicaset-status.ts";

interface Parts {
  readonly node?: string;
  readonly phase?: string;
  readonly readyFor?: number;
  readonly restarts?: number;
  readonly age?: number;
  readonly cost?: string;
  readonly deleting?: boolean;
}
const NOW = Date.parse("2026-01-01T00:00:00Z");
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

function pod(name: string, parts: Parts = {}): Pod {
  const { node = "a", phase = "Running", readyFor = 100, restarts = 0, age = 1_000, cost, deleting = false } = parts;
  const status = readyFor < 0 ? "False" : "True";
  return {
    metadata: {
      namespace: "n",
      name,
      uid: name,
      labels: { app: "web" },
      creationTimestamp: ago(age),
      ...(cost === undefined ? {} : { annotations: { "controller.kubernetes.io/pod-deletion-cost": cost } }),
      ...(deleting ? { deletionTimestamp: ago(0) } : {}),
    },
    spec: { containers: [], ...(node === "" ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions: [{ type: "Ready", status, lastTransitionTime: ago(Math.abs(readyFor)) }],
      containerStatuses: [{ name: "c", image: "i", imageID: "", ready: true, restartCount: restarts }],
    },
  };
}

const replicaSet = (replicas: number, minReadySeconds = 0): ReplicaSet => ({
  metadata: { namespace: "n", name: "web", uid: "rs", generation: 4 },
  spec: {
    replicas,
    minReadySeconds,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } } },
  },
});

test("counts neither what ended nor what is about to end", () => {
  const pods = [pod("runs"), pod("failed", { phase: "Failed" }), pod("ends", { deleting: true })];
  assert.equal(planReplicas(replicaSet(3), pods).create, 2);
  assert.deepEqual(planReplicas(replicaSet(1), pods), { create: 0, remove: [] });
});

test("creates and removes no more than a burst at once, and nothing once it is being deleted", () => {
  assert.equal(planReplicas(replicaSet(2_000), []).create, 500);
  const dying = replicaSet(0);
  dying.metadata = { ...dying.metadata, deletionTimestamp: ago(0) };
  assert.deepEqual(planReplicas(dying, [pod("a")]), { create: 0, remove: [] });
});

test("removes first what serves least", () => {
  const pods = [
    pod("crowded-1", { node: "b", readyFor: 500 }),
    pod("crowded-2", { node: "b", readyFor: 400 }),
    pod("restarted", { node: "c", restarts: 9 }),
    pod("old", { node: "d" }),
    pod("young", { node: "e", age: 10 }),
    pod("not-ready", { node: "f", readyFor: -5 }),
    pod("pending", { node: "g", phase: "Pending", readyFor: -5 }),
    pod("unassigned", { node: "", phase: "Pending", readyFor: -5 }),
    pod("cheap", { node: "h", cost: "-10" }),
    pod("dear", { node: "i", cost: "10" }),
  ];
  const names = rankForDeletion(pods.toReversed()).map(({ metadata }) => metadata?.name);
  assert.deepEqual(names, [
    "unassigned",
    "pending",
    "not-ready",
    "cheap",
    "crowded-2",
    "crowded-1",
    "restarted",
    "young",
    "old",
    "dear",
  ]);
});

test("calls a pod available when it was ready long enough, and says when the next one will be", () => {
  const pods = [pod("old"), pod("new", { readyFor: 4 }), pod("not", { readyFor: -4 })];
  const { status, requeueAfterMs } = replicaSetStatus(replicaSet(3, 10), pods, undefined, NOW);
  assert.deepEqual(status, {
    replicas: 3,
    fullyLabeledReplicas: 3,
    readyReplicas: 2,
    availableReplicas: 1,
    observedGeneration: 4,
  });
  assert.equal(requeueAfterMs, 6_000);
});

test("tells a failure as a condition and forgets it once it is over", () => {
  const failure = { reason: "FailedCreate", message: "quota" } as const;
  const { status } = replicaSetStatus(replicaSet(1), [], failure, NOW);
  assert.equal(status.conditions?.[0]?.message, "quota");
  const healed = replicaSetStatus({ ...replicaSet(1), status }, [], undefined, NOW);
  assert.equal(healed.status.conditions, undefined);
});

test("adopts orphans that match, releases what no longer does, and leaves others' alone", () => {
  const owned = (name: string, uid: string, labels: Record<string, string>): Pod => ({
    metadata: {
      name,
      labels,
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid, controller: true }],
    },
  });
  const mine = owned("mine", "rs", { app: "web" });
  const lost = owned("lost", "rs", { app: "other" });
  const namesakes = owned("namesakes", "older-uid", { app: "web" });
  const orphan: Pod = { metadata: { name: "orphan", labels: { app: "web" } } };
  const stranger: Pod = { metadata: { name: "stranger", labels: { app: "other" } } };
  const all = [mine, lost, namesakes, orphan, stranger];
  const plan = planClaims(replicaSet(1), { matchLabels: { app: "web" } }, all);
  assert.deepEqual(plan, { owned: [mine], adopt: [orphan], release: [lost] });
});

test("asks a refusing server once, not hundreds of times", async () => {
  let calls = 0;
  const refused = new Error("quota");
  const error = await createSlowly(500, () => {
    calls += 1;
    return calls > 3 ? Promise.reject(refused) : Promise.resolve();
  });
  assert.equal(error, refused);
  assert.equal(calls, 7); // 1 + 2 + 4
});
