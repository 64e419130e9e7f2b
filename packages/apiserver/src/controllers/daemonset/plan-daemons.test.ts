import assert from "node:assert/strict";
import { test } from "node:test";
import { type DaemonSet, matchesNodeAffinity, type Node, type Pod, type Taint } from "@kedge/kube";
import { daemonFits, daemonPod, nodeNameOf } from "./daemonset-template.ts";
import { daemonSetStatus, type DaemonView, planDaemons } from "./plan-daemons.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const daemonSet: DaemonSet = {
  metadata: { namespace: "n", name: "agent", uid: "d", generation: 2 },
  spec: {
    selector: { matchLabels: { app: "agent" } },
    template: { metadata: { labels: { app: "agent" } }, spec: { containers: [], nodeSelector: { os: "linux" } } },
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
  },
};

function node(name: string, taints: Taint[] = [], labels: Record<string, string> = { os: "linux" }): Node {
  return { metadata: { name, labels }, spec: { taints } };
}

interface Parts {
  readonly hash?: string;
  readonly ready?: boolean;
  readonly phase?: string;
  readonly deleting?: boolean;
  readonly age?: number;
}
function pod(
  name: string,
  nodeName: string,
  { hash = "new", ready = true, phase = "Running", deleting = false, age = 100 }: Parts = {},
): Pod {
  return {
    metadata: {
      namespace: "n",
      name,
      uid: name,
      labels: { "controller-revision-hash": hash },
      creationTimestamp: new Date(NOW - age * 1000).toISOString(),
      ...(deleting ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { containers: [], nodeName },
    status: {
      phase,
      conditions: [
        {
          type: "Ready",
          status: ready ? "True" : "False",
          lastTransitionTime: new Date(NOW - age * 1000).toISOString(),
        },
      ],
    },
  };
}
const view = (nodes: Node[], pods: Pod[]): DaemonView => ({ daemonSet, nodes, pods, hash: "new", nowMs: NOW });
const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata?.name);

test("starts one where none is, and not where one is about to end", () => {
  const plan = planDaemons(view([node("a"), node("b"), node("c")], [pod("1", "a"), pod("2", "b", { deleting: true })]));
  assert.deepEqual(plan, { create: ["c"], remove: [], failed: [] });
});

test("removes the younger of two, and those that must not be there", () => {
  const nodes = [node("a"), node("b", [], { os: "other" })];
  const plan = planDaemons(view(nodes, [pod("young", "a", { age: 1 }), pod("old", "a"), pod("wrong", "b")]));
  assert.deepEqual(names(plan.remove), ["young", "wrong"]);
});

test("starts none on a node that repels it, but leaves one that is there", () => {
  const dedicated: Taint = { key: "dedicated", effect: "NoSchedule" };
  assert.deepEqual(daemonFits(daemonSet, node("a", [dedicated])), { start: false, stay: true });
  assert.deepEqual(daemonFits(daemonSet, node("a", [{ ...dedicated, effect: "NoExecute" }])), {
    start: false,
    stay: false,
  });
});

test("stays on a node that is unreachable, under pressure or cordoned", () => {
  const taints = [
    "not-ready:NoExecute",
    "unreachable:NoExecute",
    "disk-pressure:NoSchedule",
    "unschedulable:NoSchedule",
  ];
  for (const each of taints) {
    const [key = "", effect = ""] = each.split(":");
    const fits = daemonFits(daemonSet, node("a", [{ key: `node.kubernetes.io/${key}`, effect }]));
    assert.deepEqual(fits, { start: true, stay: true }, each);
  }
});

test("hands a failed pod over to be removed after a wait, and starts no other meanwhile", () => {
  const plan = planDaemons(view([node("a")], [pod("1", "a", { phase: "Failed", ready: false })]));
  assert.deepEqual([plan.create, names(plan.failed), plan.remove], [[], ["1"], []]);
});

test("rolls out one at a time, those that serve nobody at once", () => {
  const old = { hash: "old" };
  const nodes = ["a", "b", "c"].map((name) => node(name));
  const ready = planDaemons(view(nodes, [pod("1", "a", old), pod("2", "b", old), pod("3", "c")]));
  assert.deepEqual(names(ready.remove), ["1"]);
  const waiting = planDaemons(view(nodes, [pod("1", "a", old), pod("2", "b", old), pod("3", "c", { ready: false })]));
  assert.deepEqual(names(waiting.remove), []);
  const broken = planDaemons(
    view(nodes, [pod("1", "a", { hash: "old", ready: false }), pod("2", "b", old), pod("3", "c")]),
  );
  assert.deepEqual(names(broken.remove), ["1"]);
});

test("leaves updates to the user with OnDelete", () => {
  const spec = { ...daemonSet.spec, updateStrategy: { type: "OnDelete" } } as NonNullable<DaemonSet["spec"]>;
  const plan = planDaemons({
    ...view([node("a")], [pod("1", "a", { hash: "old" })]),
    daemonSet: { ...daemonSet, spec },
  });
  assert.deepEqual(plan.remove, []);
});

test("counts for kubectl rollout status", () => {
  const nodes = [node("a"), node("b"), node("c"), node("d", [], {})];
  const pods = [pod("1", "a"), pod("2", "b", { hash: "old", ready: false }), pod("3", "d")];
  assert.deepEqual(daemonSetStatus(view(nodes, pods)).status, {
    desiredNumberScheduled: 3,
    currentNumberScheduled: 2,
    numberMisscheduled: 1,
    numberReady: 1,
    numberAvailable: 1,
    numberUnavailable: 2,
    updatedNumberScheduled: 1,
    observedGeneration: 2,
  });
});

test("makes a pod that only its node matches", () => {
  const made = daemonPod(daemonSet, "b", "new");
  assert.equal(nodeNameOf(made), "b");
  assert.deepEqual(
    ["a", "b"].map((name) => matchesNodeAffinity(made, node(name))),
    [false, true],
  );
  assert.equal(made.metadata?.generateName, "agent-");
  assert.equal(made.metadata.labels?.["controller-revision-hash"], "new");
});
