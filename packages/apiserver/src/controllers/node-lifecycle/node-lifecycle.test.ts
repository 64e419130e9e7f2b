import assert from "node:assert/strict";
import { test } from "node:test";
import { type Node, type Pod, type Taint, tolerates, type Toleration } from "@kedge/kube";
import { CONTROLLER_TIMINGS } from "../controller-deps.ts";
import { evictionDelayMs } from "./plan-eviction.ts";
import { planNodeHealth, planTaints } from "./plan-node-health.ts";
import { findOrphans, finishedBeyond } from "./pod-gc-controller.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const NOW_ISO = "2026-01-01T00:00:00Z";

function node(ready?: string, taints: Taint[] = [], more: Record<string, string> = {}): Node {
  const condition = (type: string, status: string) => ({ type, status, lastHeartbeatTime: "2025-12-31T23:00:00Z" });
  const conditions = [
    ...(ready === undefined ? [] : [condition("Ready", ready)]),
    ...Object.entries(more).map(([type, status]) => condition(type, status)),
  ];
  return { metadata: { name: "a", creationTimestamp: NOW_ISO }, spec: { taints }, status: { conditions } };
}

test("leaves a node alone until it was silent for the grace period, however wrong its clock is", () => {
  const plan = planNodeHealth(node("True"), 39_000, CONTROLLER_TIMINGS, NOW_ISO);
  assert.deepEqual(plan, { conditions: [], recheckAfterMs: 1_000 });
});

test("declares all that a kubelet would have said unknown, and keeps when it last said it", () => {
  const { conditions } = planNodeHealth(
    node("True", [], { DiskPressure: "False" }),
    40_000,
    CONTROLLER_TIMINGS,
    NOW_ISO,
  );
  assert.deepEqual(
    conditions.map(({ type, status, reason }) => [type, status, reason]),
    [
      ["Ready", "Unknown", "NodeStatusUnknown"],
      ["MemoryPressure", "Unknown", "NodeStatusNeverUpdated"],
      ["DiskPressure", "Unknown", "NodeStatusUnknown"],
      ["PIDPressure", "Unknown", "NodeStatusNeverUpdated"],
    ],
  );
  assert.equal(conditions[0]?.lastHeartbeatTime, "2025-12-31T23:00:00Z");
});

test("gives a node that never spoke the longer time of a start", () => {
  assert.deepEqual(planNodeHealth(node(), 59_000, CONTROLLER_TIMINGS, NOW_ISO).conditions, []);
  assert.equal(planNodeHealth(node(), 60_000, CONTROLLER_TIMINGS, NOW_ISO).conditions.length, 4);
});

const own: Taint = { key: "mine", effect: "NoSchedule" };
const unreachable = (effect: string): Taint => ({
  key: "node.kubernetes.io/unreachable",
  effect,
  timeAdded: "2025-01-01T00:00:00Z",
});
const taintCases = [
  { name: "a ready node keeps what users put there", node: node("True", [own]), taints: undefined },
  {
    name: "a node that comes back loses our taints only",
    node: node("True", [own, unreachable("NoExecute")]),
    taints: ["mine:NoSchedule"],
  },
  {
    name: "a node without status keeps pods away but evicts none",
    node: node(),
    taints: ["node.kubernetes.io/not-ready:NoSchedule"],
  },
  {
    name: "a node that is not ready is tainted twice",
    node: node("False"),
    taints: ["node.kubernetes.io/not-ready:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"],
  },
  {
    name: "present taints keep their time",
    node: node("Unknown", [unreachable("NoSchedule"), unreachable("NoExecute")]),
    taints: undefined,
  },
  {
    name: "pressure and cordon keep new pods away",
    node: { ...node("True", [], { DiskPressure: "True" }), spec: { unschedulable: true } },
    taints: ["node.kubernetes.io/disk-pressure:NoSchedule", "node.kubernetes.io/unschedulable:NoSchedule"],
  },
];
for (const { name, node: subject, taints } of taintCases)
  test(name, () =>
    assert.deepEqual(
      planTaints(subject, NOW_ISO)?.map(({ key, effect }) => `${key}:${effect}`),
      taints,
    ),
  );

const taint: Taint = { key: "k", value: "v", effect: "NoExecute" };
const tolerations: readonly { toleration: Toleration; holds: boolean }[] = [
  { toleration: { key: "k", value: "v" }, holds: true },
  { toleration: { key: "k", operator: "Exists" }, holds: true },
  { toleration: { operator: "Exists" }, holds: true },
  { toleration: { key: "k", operator: "Exists", effect: "NoExecute" }, holds: true },
  { toleration: { key: "k", operator: "Exists", effect: "NoSchedule" }, holds: false },
  { toleration: { key: "k", value: "w" }, holds: false },
  { toleration: { key: "other", operator: "Exists" }, holds: false },
  { toleration: { value: "v" }, holds: false },
];
for (const { toleration, holds } of tolerations)
  test(`${JSON.stringify(toleration)} ${holds ? "tolerates" : "does not tolerate"} the taint`, () =>
    assert.equal(tolerates(toleration, taint), holds));

const pod = (...given: Toleration[]): Pod => ({ spec: { containers: [], tolerations: given } });
const limited = (seconds: number): Toleration => ({ key: "k", operator: "Exists", tolerationSeconds: seconds });
const evictions = [
  { name: "evicts at once what does not tolerate", pod: pod(), delay: 0 },
  { name: "lets stay what tolerates for ever", pod: pod({ operator: "Exists" }), delay: undefined },
  { name: "waits as long as the pod tolerates", pod: pod(limited(300)), delay: 290_000 },
  { name: "takes the shortest of several", pod: pod(limited(300), limited(60)), delay: 50_000 },
  { name: "evicts at once when the time is over", pod: pod(limited(5)), delay: 0 },
  { name: "takes a negative time for none", pod: pod(limited(-1)), delay: 0 },
];
for (const each of evictions)
  test(each.name, () => {
    const added = { ...taint, timeAdded: new Date(NOW - 10_000).toISOString() };
    assert.equal(evictionDelayMs(each.pod, [added, own], NOW, NOW), each.delay);
  });

test("counts from when a taint was first seen if it does not say when it was added", () =>
  assert.equal(evictionDelayMs(pod(limited(60)), [taint], NOW - 20_000, NOW), 40_000));

test("finds pods on nodes that are not there, and ended pods beyond the limit, oldest first", () => {
  const on = (name: string, nodeName?: string): Pod => ({
    metadata: { name },
    spec: { containers: [], ...(nodeName === undefined ? {} : { nodeName }) },
  });
  const orphans = findOrphans([on("a", "gone"), on("b", "here"), on("c"), on("d", "gone")], (name) => name === "here");
  assert.deepEqual(
    [...orphans].map(([name, pods]) => [name, pods.map(({ metadata }) => metadata?.name)]),
    [["gone", ["a", "d"]]],
  );
  const ended = (name: string, at: number, phase = "Succeeded"): Pod => ({
    metadata: { name, creationTimestamp: new Date(NOW + at).toISOString() },
    status: { phase },
  });
  const beyond = finishedBeyond([ended("3", 3), ended("1", 1), ended("r", 0, "Running"), ended("2", 2, "Failed")], 1);
  assert.deepEqual(
    beyond.map(({ metadata }) => metadata?.name),
    ["1", "2"],
  );
});
