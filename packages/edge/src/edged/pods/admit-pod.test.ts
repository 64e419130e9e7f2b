import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node, Pod, PodSpec } from "@kedge/kube";
import { type AdmissionFacts, admissionFailures, admitPod, whyRefused } from "./admit-pod.ts";
import { container, pod } from "./pod.test-data.ts";

const node: Node = { metadata: { name: "n", labels: { disk: "ssd", size: "5" } } };
const facts: AdmissionFacts = {
  others: [],
  allocatable: { cpu: "2", memory: "1Gi", pods: "3" },
  maxPods: 110,
  nodeName: "n",
  node,
  allowedUnsafeSysctls: [],
};
const asking = (requests: Record<string, string>) =>
  pod({ containers: [container("app", { resources: { requests } })] });
const onPort = (hostPort: number, hostIP?: string, protocol?: string) =>
  pod({
    containers: [
      container("app", {
        ports: [
          {
            containerPort: 1,
            hostPort,
            ...(hostIP !== undefined && { hostIP }),
            ...(protocol !== undefined && { protocol }),
          },
        ],
      }),
    ],
  });
const affinity = (key: string, operator: string, values?: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, ...(values !== undefined && { values }) }] }],
      },
    },
  },
});
const tainted: Node = { ...node, spec: { taints: [{ key: "gone", value: "1", effect: "NoExecute" }] } };

const cases: { name: string; pod: Pod; facts?: Partial<AdmissionFacts>; reason: string | undefined }[] = [
  { name: "takes what fits", pod: asking({ cpu: "1", memory: "512Mi" }), reason: undefined },
  {
    name: "refuses too much CPU",
    pod: asking({ cpu: "1500m" }),
    facts: { others: [asking({ cpu: "600m" })] },
    reason: "OutOfcpu",
  },
  { name: "refuses too much memory", pod: asking({ memory: "2Gi" }), reason: "OutOfmemory" },
  { name: "refuses too much storage", pod: asking({ "ephemeral-storage": "1Gi" }), reason: "OutOfephemeral-storage" },
  {
    name: "refuses huge pages that the node lacks",
    pod: asking({ "hugepages-2Mi": "2Mi" }),
    reason: "OutOfhugepages-2Mi",
  },
  {
    name: "refuses more of a device than there is",
    pod: asking({ "example.com/gpu": "2" }),
    facts: { allocatable: { cpu: "2", memory: "1Gi", pods: "3", "example.com/gpu": "1" } },
    reason: "OutOfexample.com/gpu",
  },
  {
    name: "leaves to the cluster what only the cluster counts",
    pod: asking({ "example.com/licence": "1" }),
    reason: undefined,
  },
  {
    name: "counts overhead, too",
    pod: pod({
      containers: [container("app", { resources: { requests: { cpu: "1900m" } } })],
      overhead: { cpu: "200m" },
    }),
    reason: "OutOfcpu",
  },
  {
    name: "speaks of too many pods first",
    pod: asking({ cpu: "9" }),
    facts: { maxPods: 0, allocatable: { cpu: "1" } },
    reason: "OutOfpods",
  },
  { name: "refuses one pod too many", pod: pod(), facts: { others: [pod(), pod(), pod()] }, reason: "OutOfpods" },
  { name: "refuses another node's pod", pod: pod({ nodeName: "other" }), reason: "NodeName" },
  {
    name: "refuses a node selector that does not match",
    pod: pod({ nodeSelector: { disk: "hdd" } }),
    reason: "NodeAffinity",
  },
  { name: "takes a node selector that matches", pod: pod({ nodeSelector: { disk: "ssd" } }), reason: undefined },
  {
    name: "takes any selector while the node is not known",
    pod: pod({ nodeSelector: { disk: "hdd" } }),
    facts: { node: undefined },
    reason: undefined,
  },
  {
    name: "refuses an affinity that does not match",
    pod: pod(affinity("disk", "NotIn", ["ssd"])),
    reason: "NodeAffinity",
  },
  { name: "takes an affinity that matches", pod: pod(affinity("size", "Gt", ["4"])), reason: undefined },
  { name: "refuses a taint that is not tolerated", pod: pod(), facts: { node: tainted }, reason: "TaintToleration" },
  {
    name: "takes a taint that is tolerated",
    pod: pod({ tolerations: [{ operator: "Exists" }] }),
    facts: { node: tainted },
    reason: undefined,
  },
  {
    name: "refuses a host port in use",
    pod: onPort(80),
    facts: { others: [onPort(80, "10.0.0.1")] },
    reason: "NodePorts",
  },
  {
    name: "takes the same port of another address",
    pod: onPort(80, "10.0.0.2"),
    facts: { others: [onPort(80, "10.0.0.1")] },
    reason: undefined,
  },
  {
    name: "takes the same port of another protocol",
    pod: onPort(80, undefined, "UDP"),
    facts: { others: [onPort(80)] },
    reason: undefined,
  },
  {
    name: "lets in a pod of its own whatever the taints",
    pod: pod({}, { annotations: { "kubernetes.io/config.source": "file" } }),
    facts: { node: tainted },
    reason: undefined,
  },
  {
    name: "refuses a pod for another system, also while the node is not known",
    pod: pod({ nodeSelector: { "kubernetes.io/os": "windows" } }),
    facts: { node: undefined },
    reason: "NodeAffinity",
  },
  {
    name: "refuses another system's pod, by label",
    pod: pod({}, { labels: { "kubernetes.io/os": "windows" } }),
    reason: "PodOSSelectorNodeLabelDoesNotMatch",
  },
  {
    name: "refuses another system's pod, by field",
    pod: pod({ os: { name: "windows" } }),
    reason: "PodOSNotSupported",
  },
  {
    name: "refuses a sysctl of the whole node",
    pod: pod({ securityContext: { sysctls: [{ name: "kernel.pid_max", value: "1" }] } }),
    reason: "SysctlForbidden",
  },
];
for (const { name, pod: subject, facts: more, reason } of cases)
  test(name, () => assert.equal(admitPod(subject, { ...facts, ...more })?.reason, reason));

test("says how much was asked for", () => {
  const verdict = admitPod(asking({ cpu: "1500m" }), { ...facts, others: [asking({ cpu: "600m" })] });
  const expected =
    "Pod was rejected: Node didn't have enough resource: cpu, requested: 1500, used: 600, capacity: 2000";
  assert.equal(verdict?.message, expected);
});

test("the event says why, without saying twice that it was refused", () => {
  const verdict = admitPod(pod(), { ...facts, node: tainted });
  assert.ok(verdict);
  assert.equal(verdict.message, `Pod was rejected: ${whyRefused(verdict)}`);
  assert.equal(
    whyRefused(verdict),
    "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
  );
});

test("all that is short is told to whoever makes room", () => {
  const failures = admissionFailures(asking({ cpu: "3", memory: "2Gi", "ephemeral-storage": "1" }), {
    ...facts,
    others: [asking({ cpu: "500m" }), asking({ memory: "64Mi" }), pod()],
  });
  assert.deepEqual(failures, {
    shortages: [
      { resource: "pods", requested: 1, used: 3, capacity: 3 },
      { resource: "cpu", requested: 3000, used: 500, capacity: 2000 },
      { resource: "memory", requested: 2 * 1024 ** 3, used: 64 * 1024 ** 2, capacity: 1024 ** 3 },
      { resource: "ephemeral-storage", requested: 1, used: 0, capacity: 0 },
    ],
    others: [],
  });
});
