import assert from "node:assert/strict";
import { test } from "node:test";
import { applyStrategicMergePatch, type Node, NODE_STATUS_PATCH_SCHEMA } from "@kedge/kube";
import type { MachineInfo } from "./machine-info.ts";
import { osImage, readMachineInfo } from "./machine-info.ts";
import { type AddressSources, nodeAddresses } from "./node-addresses.ts";
import { nodeResources } from "./node-capacity.ts";
import { mergeConditions, wantedConditions } from "./node-conditions.ts";
import { kubeletVersion, type StatusFacts } from "./node-facts.ts";
import { nodeStatus, registrationNode } from "./node-object.ts";
import { nodeStatusPatch } from "./node-status-patch.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const machine: MachineInfo = {
  cpus: 4,
  memoryBytes: 8 * GIB,
  storageBytes: 100 * GIB,
  hugePages: { "hugepages-2Mi": 0 },
  system: {
    machineID: "m",
    systemUUID: "s",
    bootID: "b",
    kernelVersion: "6.1",
    osImage: "Debian",
    operatingSystem: "linux",
    architecture: "arm64",
  },
};
const evictionHard = { "memory.available": "100Mi", "nodefs.available": "10%", "imagefs.available": "15%" };

const capacities: { name: string; machine?: Partial<MachineInfo>; reservation: object; expected: object }[] = [
  {
    name: "eviction thresholds are not given to pods",
    reservation: { maxPods: 110, evictionHard },
    expected: {
      capacity: { cpu: "4", memory: "8Gi", "ephemeral-storage": "100Gi", pods: "110", "hugepages-2Mi": "0" },
      allocatable: {
        cpu: "4",
        memory: "8092Mi",
        "ephemeral-storage": "96636764000",
        pods: "110",
        "hugepages-2Mi": "0",
      },
      podsLimit: { cpu: "4", memory: "8Gi" },
    },
  },
  {
    name: "reservations are taken from both; pods per core bound their number",
    reservation: {
      maxPods: 110,
      podsPerCore: 10,
      kubeReserved: { cpu: "250m", memory: "1Gi" },
      systemReserved: { memory: "512Mi", "ephemeral-storage": "1Gi" },
    },
    expected: {
      capacity: { cpu: "4", memory: "8Gi", "ephemeral-storage": "100Gi", pods: "40", "hugepages-2Mi": "0" },
      allocatable: { cpu: "3750m", memory: "6656Mi", "ephemeral-storage": "99Gi", pods: "40", "hugepages-2Mi": "0" },
      podsLimit: { cpu: "3750m", memory: "6656Mi" },
    },
  },
  {
    name: "processes are reserved, too; huge pages can be; thresholds of 0% and 100% are none",
    machine: { pidsMax: 32_768, hugePages: { "hugepages-2Mi": 64 * MIB } },
    reservation: {
      kubeReserved: { pid: "1000", "hugepages-2Mi": "16Mi" },
      systemReserved: { pid: "500" },
      evictionHard: { "memory.available": "0%", "nodefs.available": "100%" },
    },
    expected: {
      capacity: { cpu: "4", memory: "8Gi", "ephemeral-storage": "100Gi", pods: "110", "hugepages-2Mi": "64Mi" },
      allocatable: { cpu: "4", memory: "8128Mi", "ephemeral-storage": "100Gi", pods: "110", "hugepages-2Mi": "48Mi" },
      podsLimit: { cpu: "4", memory: "8Gi", pid: "31268" },
    },
  },
  {
    name: "without enforcement pods may use all together what there is",
    machine: { pidsMax: 32_768, hugePages: {} },
    reservation: { enforcesPods: false, kubeReserved: { cpu: "1", memory: "1Gi", pid: "1000" } },
    expected: {
      capacity: { cpu: "4", memory: "8Gi", "ephemeral-storage": "100Gi", pods: "110" },
      allocatable: { cpu: "3", memory: "7Gi", "ephemeral-storage": "100Gi", pods: "110" },
      podsLimit: { cpu: "4", memory: "8Gi", pid: "32768" },
    },
  },
  {
    // As a kubelet's node has shown it: capacity 103079844Ki, allocatable 94998384074.
    name: "MUST-MATCH: a kubelet's tenth",
    machine: { storageBytes: 103_079_844 * 1024, hugePages: {} },
    reservation: { evictionHard: { "nodefs.available": "10%" } },
    expected: {
      capacity: { cpu: "4", memory: "8Gi", "ephemeral-storage": "103079844Ki", pods: "110" },
      allocatable: { cpu: "4", memory: "8Gi", "ephemeral-storage": "94998384074", pods: "110" },
      podsLimit: { cpu: "4", memory: "8Gi" },
    },
  },
  {
    name: "huge pages come out of memory, and nothing is less than nothing",
    machine: { memoryBytes: 64 * MIB, hugePages: { "hugepages-2Mi": 128 * MIB } },
    reservation: { maxPods: 1, kubeReserved: { cpu: "9" }, evictionHard },
    expected: {
      capacity: { cpu: "4", memory: "64Mi", "ephemeral-storage": "100Gi", pods: "1", "hugepages-2Mi": "128Mi" },
      allocatable: { cpu: "0", memory: "0", "ephemeral-storage": "96636764000", pods: "1", "hugepages-2Mi": "128Mi" },
      podsLimit: { cpu: "0", memory: "64Mi" },
    },
  },
];
for (const { name, machine: other, reservation, expected } of capacities)
  test(`capacity: ${name}`, () =>
    assert.deepEqual(nodeResources({ ...machine, ...other }, { maxPods: 110, ...reservation }), expected));

function sources(interfaces: Record<string, string[]>, resolved: string[] = [], leadsOut?: string): AddressSources {
  return { lookup: async () => resolved, interfaces: () => interfaces, defaultInterface: () => leadsOut };
}

const lan = { eth0: ["fd00::5", "192.168.1.5"], wlan0: ["10.0.0.5"] };
const addresses: {
  name: string;
  nodeIP?: string;
  interfaceName?: string;
  nodeName?: string;
  from: AddressSources;
  ips: string[];
}[] = [
  { name: "the configured one", nodeIP: "1.2.3.4", from: sources(lan), ips: ["1.2.3.4"] },
  { name: "both configured ones", nodeIP: "1.2.3.4,fd00::9", from: sources(lan), ips: ["1.2.3.4", "fd00::9"] },
  { name: "the name that is an address", nodeName: "10.9.8.7", from: sources(lan), ips: ["10.9.8.7"] },
  { name: "what the name resolves to", from: sources(lan, ["127.0.1.1", "10.0.0.5"]), ips: ["10.0.0.5"] },
  { name: "the chosen interface's", interfaceName: "wlan0", from: sources(lan, [], "eth0"), ips: ["10.0.0.5"] },
  { name: "not somebody else's", from: sources(lan, ["8.8.8.8"], "eth0"), ips: ["192.168.1.5"] },
  { name: "IPv6 if asked for", nodeIP: "::", from: sources(lan, [], "eth0"), ips: ["fd00::5"] },
  { name: "any, without a way out", from: sources({ usb0: ["169.254.3.4"], ...lan }), ips: ["192.168.1.5"] },
  { name: "none at all", from: sources({}), ips: [] },
];
for (const { name, nodeIP = "", interfaceName = "", nodeName = "edge-1", from, ips } of addresses)
  test(`addresses: ${name}`, async () =>
    assert.deepEqual(await nodeAddresses(nodeName, { nodeIP, interfaceName }, from), [
      ...ips.map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: nodeName },
    ]));

test("conditions are worded as a KubeEdge node's", () => {
  const healthy = wantedConditions({ pressure: { memory: false, disk: false, pid: false }, errors: [] });
  assert.deepEqual(
    healthy.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`),
    [
      "MemoryPressure=False KubeletHasSufficientMemory: kubelet has sufficient memory available",
      "DiskPressure=False KubeletHasNoDiskPressure: kubelet has no disk pressure",
      "PIDPressure=False KubeletHasSufficientPID: kubelet has sufficient PID available",
      "Ready=True EdgeReady: edge is posting ready status",
    ],
  );
  const ill = wantedConditions({ pressure: { memory: true, disk: true, pid: true }, errors: ["a", "b"] });
  assert.deepEqual(
    ill.map(({ status, reason, message }) => `${status} ${reason}: ${message}`),
    [
      "True KubeletHasInsufficientMemory: kubelet has insufficient memory available",
      "True KubeletHasDiskPressure: kubelet has disk pressure",
      "True KubeletHasInsufficientPID: kubelet has insufficient PID available",
      "False KubeletNotReady: [a, b]",
    ],
  );
});

test("a condition's transition time changes with its status alone, and others' conditions stay", () => {
  const health = { pressure: { memory: false, disk: false, pid: false }, errors: [] };
  const network = { type: "NetworkUnavailable", status: "False", reason: "RouteCreated" };
  const first = mergeConditions([network], health, "2026-01-01T00:00:00Z");
  const second = mergeConditions(first, { ...health, errors: ["down"] }, "2026-01-01T00:01:00Z");
  assert.deepEqual(second[0], network);
  const times = (type: string) => {
    const found = second.find((condition) => condition.type === type);
    return [found?.lastTransitionTime, found?.lastHeartbeatTime];
  };
  assert.deepEqual(times("Ready"), ["2026-01-01T00:01:00Z", "2026-01-01T00:01:00Z"]);
  assert.deepEqual(times("DiskPressure"), ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"]);
});

const facts: StatusFacts = {
  addresses: [
    { type: "InternalIP", address: "10.0.0.5" },
    { type: "Hostname", address: "edge-1" },
  ],
  machine,
  resources: nodeResources(machine, { maxPods: 110, evictionHard }),
  runtime: { version: "containerd://1.6.20", errors: [] },
  version: kubeletVersion("0.1.0"),
};
const registration = {
  nodeName: "edge-1",
  labels: { zone: "north" },
  taints: [{ key: "edge", effect: "NoExecute" }],
  schedulable: false,
  port: 10350,
};

test("a node introduces itself as a KubeEdge node does", () => {
  const node = registrationNode(registration, facts, 0);
  assert.deepEqual(node.metadata, {
    name: "edge-1",
    labels: {
      "kubernetes.io/hostname": "edge-1",
      "kubernetes.io/os": "linux",
      "kubernetes.io/arch": "arm64",
      "beta.kubernetes.io/os": "linux",
      "beta.kubernetes.io/arch": "arm64",
      "node-role.kubernetes.io/edge": "",
      "node-role.kubernetes.io/agent": "",
      zone: "north",
    },
    annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
  });
  assert.deepEqual(node.spec, {
    taints: [
      { key: "edge", effect: "NoExecute" },
      { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" },
    ],
    unschedulable: true,
  });
  assert.deepEqual(node.status?.daemonEndpoints, { kubeletEndpoint: { Port: 10350 } });
  assert.equal(node.status?.nodeInfo?.kubeletVersion, "v1.32.10-kubeedge-v0.1.0");
  assert.equal(node.status?.nodeInfo?.containerRuntimeVersion, "containerd://1.6.20");
});

test("a later report leaves the port alone that the cloud has put in", () => {
  const present = { daemonEndpoints: { kubeletEndpoint: { Port: 10351 } } };
  const base: Node = { metadata: { name: "edge-1" }, status: present };
  const { patch } = nodeStatusPatch(base, { ...base, status: nodeStatus(present, facts, 0) });
  assert.equal(patch.includes("daemonEndpoints"), false);
});

function patched(base: Node, next: Node): Node {
  return applyStrategicMergePatch(base, JSON.parse(nodeStatusPatch(base, next).patch), NODE_STATUS_PATCH_SCHEMA);
}

test("the patch makes the cluster's node the one we mean", () => {
  const base: Node = {
    metadata: { name: "edge-1", labels: { a: "b" } },
    status: {
      addresses: [
        { type: "InternalIP", address: "10.0.0.1" },
        { type: "InternalIP", address: "10.0.0.2" },
      ],
      capacity: { cpu: "1", "example.com/gpu": "2" },
      conditions: [
        { type: "Ready", status: "Unknown", reason: "NodeStatusUnknown" },
        { type: "Other", status: "True" },
      ],
    },
  };
  const next = { ...base, status: nodeStatus(base.status ?? {}, facts, 60_000) };
  const result = patched(base, next);
  assert.deepEqual(result, JSON.parse(JSON.stringify(next)));
  assert.deepEqual(result.status?.addresses, facts.addresses);
  assert.equal(result.status?.capacity?.["example.com/gpu"], "2");
});

for (const nowMs of [60_000, 0])
  test(`W-09: conditions are told whole after ${nowMs} ms, since the cluster may have changed them while we were cut off`, () => {
    const before: Node = { metadata: { name: "edge-1" }, status: nodeStatus({}, facts, 0) };
    const next = { ...before, status: nodeStatus(before.status ?? {}, facts, nowMs) };
    const { patch, significant } = nodeStatusPatch(before, next);
    assert.equal(significant, false, "only a heartbeat");
    const cluster: Node = {
      ...before,
      status: {
        ...before.status,
        conditions: (before.status?.conditions ?? []).map((condition) => ({
          ...condition,
          status: "Unknown",
          reason: "NodeStatusUnknown",
        })),
      },
    };
    const result = applyStrategicMergePatch(cluster, JSON.parse(patch), NODE_STATUS_PATCH_SCHEMA);
    const ready = result.status?.conditions?.find(({ type }) => type === "Ready");
    assert.deepEqual([ready?.status, ready?.reason], ["True", "EdgeReady"]);
  });

test("this machine tells what it is", () => {
  const info = readMachineInfo("/");
  assert.ok(info.cpus > 0 && info.memoryBytes > 0 && info.storageBytes > 0);
  assert.ok(info.system.bootID !== "" && info.system.kernelVersion !== "" && info.system.osImage !== "");
  assert.equal(osImage('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'), "Debian GNU/Linux 12 (bookworm)");
  assert.equal(osImage(""), "Linux");
});

test("devices of plugins are part of the node, working or not; others' resources stay", () => {
  const present = { capacity: { "example.com/other": "3", "example.com/gpu": "1" }, allocatable: {} };
  const devices = { capacity: { "example.com/gpu": "2" }, allocatable: { "example.com/gpu": "1" } };
  const status = nodeStatus(present, { ...facts, runtime: { ...facts.runtime, devices } }, 0);
  assert.equal(status.capacity?.["example.com/gpu"], "2");
  assert.equal(status.allocatable?.["example.com/gpu"], "1");
  assert.equal(status.capacity?.["example.com/other"], "3");
});
