import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatQuantity, type Node, type Pod, quantityOf } from "@kedge/kube";
import { viewNode } from "./node-view.ts";
import { planPlacement } from "./plan-placement.ts";
import { podRequests } from "./pod-requests.ts";

type PodSpec = NonNullable<Pod["spec"]>;

function node(
  name: string,
  parts: { labels?: Record<string, string>; spec?: Node["spec"]; allocatable?: Record<string, string> } = {},
): Node {
  const { labels, spec, allocatable } = parts;
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
    ...(spec === undefined ? {} : { spec }),
    status: { allocatable: { cpu: "2", memory: "4Gi", pods: "10", ...allocatable } },
  };
}

function pod(name: string, spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}): Pod {
  return {
    metadata: { namespace: "default", name, uid: name, labels },
    spec: { containers: [{ name: "main", image: "i" }], ...spec },
  };
}

const asking = (cpu: string, more: Partial<PodSpec> = {}): Partial<PodSpec> => ({
  containers: [{ name: "main", image: "i", resources: { requests: { cpu } } }],
  ...more,
});

function place(subject: Pod, nodes: readonly Node[], running: readonly Pod[] = []): string {
  const views = nodes.map((each) =>
    viewNode(
      each,
      running.filter(({ spec }) => spec?.nodeName === each.metadata?.name),
    ),
  );
  const placement = planPlacement(subject, views, () => ({}));
  return placement.nodeName ?? placement.message;
}

const antiAffinity = {
  podAntiAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: { app: "web" } }, topologyKey: "kubernetes.io/hostname" },
    ],
  },
};
const affinity = {
  podAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: { app: "db" } }, topologyKey: "zone" },
    ],
  },
};
const tainted = { taints: [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }] };

interface Case {
  readonly name: string;
  readonly pod: Pod;
  readonly nodes: readonly Node[];
  readonly running?: readonly Pod[];
  readonly result: string;
}

const cases: readonly Case[] = [
  { name: "has no node to choose from", pod: pod("p"), nodes: [], result: "no nodes available to schedule pods" },
  {
    name: "tells each reason with its number of nodes, in order",
    pod: pod("p", asking("3")),
    nodes: [node("a"), node("b"), node("c", { spec: tainted })],
    result: "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.",
  },
  {
    name: "tells all resources that are missing",
    pod: pod("p", {
      containers: [{ name: "m", image: "i", resources: { requests: { cpu: "3", memory: "5Gi", "x.io/gpu": "1" } } }],
    }),
    nodes: [node("a", { allocatable: { pods: "0" } })],
    result:
      "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Insufficient x.io/gpu, 1 Too many pods.",
  },
  {
    name: "counts what runs, but not what has ended",
    pod: pod("p", asking("1500m")),
    nodes: [node("a"), node("b")],
    running: [
      pod("r", { ...asking("1"), nodeName: "a" }),
      { ...pod("e", { ...asking("2"), nodeName: "b" }), status: { phase: "Succeeded" } },
    ],
    result: "b",
  },
  {
    name: "chooses the emptier node",
    pod: pod("p", asking("100m")),
    nodes: [node("a"), node("b")],
    running: [pod("r", { ...asking("1"), nodeName: "a" })],
    result: "b",
  },
  {
    name: "obeys nodeSelector",
    pod: pod("p", { nodeSelector: { disk: "ssd" } }),
    nodes: [node("a"), node("b", { labels: { disk: "ssd" } })],
    result: "b",
  },
  {
    name: "tells a selector that nothing meets",
    pod: pod("p", { nodeSelector: { disk: "ssd" } }),
    nodes: [node("a"), node("b")],
    result: "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
  },
  {
    name: "obeys a daemon's affinity to one node by name",
    pod: pod("p", {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["b"] }] }],
          },
        },
      },
    }),
    nodes: [node("a"), node("b"), node("c")],
    result: "b",
  },
  {
    name: "prefers what the pod prefers",
    pod: pod("p", {
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 50, preference: { matchExpressions: [{ key: "cores", operator: "Gt", values: ["4"] }] } },
          ],
        },
      },
    }),
    nodes: [node("a"), node("b", { labels: { cores: "8" } })],
    result: "b",
  },
  {
    name: "goes onto a tainted node that it tolerates",
    pod: pod("p", { tolerations: [{ key: "dedicated", operator: "Exists" }] }),
    nodes: [node("a", { spec: tainted })],
    result: "a",
  },
  {
    name: "does not tolerate another value",
    pod: pod("p", { tolerations: [{ key: "dedicated", value: "cpu" }] }),
    nodes: [node("a", { spec: tainted })],
    result: "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
  },
  {
    name: "avoids a node that would rather not",
    pod: pod("p"),
    nodes: [node("a", { spec: { taints: [{ key: "k", effect: "PreferNoSchedule" }] } }), node("b")],
    result: "b",
  },
  {
    name: "leaves a cordoned node alone",
    pod: pod("p"),
    nodes: [node("a", { spec: { unschedulable: true } })],
    result: "0/1 nodes are available: 1 node(s) were unschedulable.",
  },
  {
    name: "keeps host ports apart, also through the wildcard address",
    pod: pod("p", {
      containers: [{ name: "m", image: "i", ports: [{ containerPort: 80, hostPort: 80, hostIP: "10.0.0.1" }] }],
    }),
    nodes: [node("a")],
    running: [
      pod("r", {
        nodeName: "a",
        containers: [{ name: "m", image: "i", ports: [{ containerPort: 8080, hostPort: 80 }] }],
      }),
    ],
    result: "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  },
  {
    name: "keeps replicas apart when they ask for it",
    pod: pod("p", { affinity: antiAffinity }, { app: "web" }),
    nodes: [node("a"), node("b")],
    running: [pod("r", { nodeName: "a" }, { app: "web" })],
    result: "b",
  },
  {
    name: "keeps away from those that want to be alone",
    pod: pod("p", {}, { app: "web" }),
    nodes: [node("a")],
    running: [pod("r", { nodeName: "a", affinity: antiAffinity }, { app: "other" })],
    result: "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
  },
  {
    name: "goes into the zone of those it must be near",
    pod: pod("p", { affinity }),
    nodes: [
      node("a", { labels: { zone: "1" } }),
      node("b", { labels: { zone: "2" } }),
      node("c", { labels: { zone: "2" } }),
    ],
    running: [pod("r", { ...asking("2"), nodeName: "b" }, { app: "db" })],
    result: "c",
  },
  {
    name: "has nobody to be near to",
    pod: pod("p", { affinity }),
    nodes: [node("a", { labels: { zone: "1" } })],
    result: "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
  },
  {
    name: "is the first of a group that wants to be together",
    pod: pod("p", { affinity }, { app: "db" }),
    nodes: [node("a", { labels: { zone: "1" } })],
    result: "a",
  },
  {
    name: "spreads over zones as far as it must",
    pod: pod(
      "p",
      {
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: "zone",
            whenUnsatisfiable: "DoNotSchedule",
            labelSelector: { matchLabels: { app: "web" } },
          },
        ],
      },
      { app: "web" },
    ),
    nodes: [
      node("a", { labels: { zone: "1" } }),
      node("b", { labels: { zone: "2" }, allocatable: { pods: "0" } }),
      node("c"),
    ],
    running: [pod("r", { nodeName: "a" }, { app: "web" })],
    result:
      "0/3 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints, " +
      "1 node(s) didn't match pod topology spread constraints (missing required label).",
  },
];
for (const each of cases) test(each.name, () => assert.equal(place(each.pod, each.nodes, each.running), each.result));

test("counts init containers, sidecars and overhead as Kubernetes does", () => {
  const container = (cpu: string, restartPolicy?: string) => ({
    name: "c",
    image: "i",
    resources: { requests: { cpu } },
    ...(restartPolicy && { restartPolicy }),
  });
  const subject = pod("p", {
    containers: [container("1"), container("500m")],
    initContainers: [container("200m", "Always"), container("3"), container("100m", "Always")],
    overhead: { cpu: "50m" },
  });
  // Containers and sidecars: 1.8; while the init container runs: 0.2 + 3; plus overhead.
  assert.equal(podRequests(subject)["cpu"], 3_250_000_000n);
});

test("never puts more onto a node than it has", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 30 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 4 }), (millis, count) => {
      const nodes = Array.from({ length: count }, (_, index) => node(`n${index}`, { allocatable: { pods: "8" } }));
      const running: Pod[] = [];
      for (const [index, size] of millis.entries()) {
        const cpu = formatQuantity({ ...quantityOf(0), nanos: BigInt(size) * 1_000_000n });
        const subject = pod(`p${index}`, asking(cpu));
        const views = nodes.map((each) =>
          viewNode(
            each,
            running.filter(({ spec }) => spec?.nodeName === each.metadata?.name),
          ),
        );
        const { nodeName } = planPlacement(subject, views, () => ({}));
        if (nodeName !== undefined) running.push(pod(`p${index}`, { ...asking(cpu), nodeName }));
      }
      for (const { metadata } of nodes) {
        const view = viewNode(
          {},
          running.filter(({ spec }) => spec?.nodeName === metadata?.name),
        );
        assert.ok((view.requested["cpu"] ?? 0n) <= 2_000_000_000n);
        assert.ok(view.pods.length <= 8);
      }
    }),
  );
});
