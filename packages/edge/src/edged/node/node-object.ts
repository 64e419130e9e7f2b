import type { Node, NodeStatus, Taint } from "@kedge/kube";
import { mergeConditions } from "./node-conditions.ts";
import type { StatusFacts, NodeRegistration } from "./node-facts.ts";

const NO_PRESSURE = { memory: false, disk: false, pid: false };
const ATTACH_DETACH = "volumes.kubernetes.io/controller-managed-attach-detach";
const UNSCHEDULABLE: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
const MISSING_CAPACITY = ["cpu", "memory", "pods"];

/** The node as it introduces itself to the cluster. */
export function registrationNode(registration: NodeRegistration, facts: StatusFacts, nowMs: number): Node {
  const { nodeName, annotations, taints = [], schedulable = true, port = 0 } = registration;
  const allTaints = [...taints, ...(schedulable ? [] : [UNSCHEDULABLE])];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: nodeName,
      labels: {
        ...standardLabels(nodeName, facts),
        "node-role.kubernetes.io/edge": "",
        "node-role.kubernetes.io/agent": "",
        ...registration.labels,
      },
      annotations: { [ATTACH_DETACH]: "true", ...annotations },
    },
    spec: {
      ...(allTaints.length > 0 && { taints: allTaints }),
      ...(!schedulable && { unschedulable: true }),
    },
    status: {
      ...nodeStatus({}, facts, nowMs),
      // Only here: later the cloud puts its tunnel's port in its place, and that must stay.
      ...(port > 0 && { daemonEndpoints: { kubeletEndpoint: { Port: port } } }),
    },
  };
}

/** Labels that say what the machine is; put right when the node exists already. */
export function standardLabels(nodeName: string, { machine }: StatusFacts): Record<string, string> {
  const { operatingSystem, architecture } = machine.system;
  return {
    "kubernetes.io/hostname": nodeName,
    "kubernetes.io/os": operatingSystem,
    "kubernetes.io/arch": architecture,
    "beta.kubernetes.io/os": operatingSystem,
    "beta.kubernetes.io/arch": architecture,
  };
}

/** The status that follows `present`; what others set in it, such as conditions and extended resources, stays. */
export function nodeStatus(present: NodeStatus, facts: StatusFacts, nowMs: number): NodeStatus {
  const { runtime, resources, machine, version } = facts;
  const missing = MISSING_CAPACITY.filter((resource) => resources.capacity[resource] === undefined);
  const errors = [
    ...runtime.errors,
    ...(missing.length > 0 ? [`missing node capacity for resources: ${missing.join(", ")}`] : []),
  ];
  const health = { pressure: runtime.pressure ?? NO_PRESSURE, errors };
  const inUse = runtime.volumesInUse ?? present.volumesInUse ?? [];
  const { volumesInUse: _before, ...kept } = present;
  return {
    ...kept,
    addresses: [...facts.addresses],
    capacity: { ...present.capacity, ...resources.capacity, ...runtime.devices?.capacity },
    allocatable: { ...present.allocatable, ...resources.allocatable, ...runtime.devices?.allocatable },
    nodeInfo: {
      ...machine.system,
      containerRuntimeVersion: runtime.version,
      kubeletVersion: version,
      kubeProxyVersion: version,
      ...(machine.swapBytes !== undefined && machine.swapBytes > 0 && { swap: { capacity: machine.swapBytes } }),
    },
    ...(runtime.images !== undefined && { images: [...runtime.images] }),
    ...(runtime.handlers !== undefined && { runtimeHandlers: [...runtime.handlers] }),
    ...(runtime.features?.supplementalGroupsPolicy === true && { features: { supplementalGroupsPolicy: true } }),
    ...(inUse.length > 0 && { volumesInUse: [...inUse] }), // an empty list is none to the API
    conditions: mergeConditions(present.conditions ?? [], health, kubeTime(nowMs)),
  };
}

/** As Kubernetes writes times: whole seconds. */
export function kubeTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
