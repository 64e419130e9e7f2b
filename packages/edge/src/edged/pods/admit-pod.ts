import { matchesNodeAffinity, type Node, type Pod, untoleratedTaint } from "@kedge/kube";
import { podRequests } from "../resources/pod-resources.ts";
import { parseNano } from "../resources/quantity.ts";
import { sysctlRefusal } from "../security/sysctl-admission.ts";
import type { PodVerdict } from "../status/pod-status.ts";

export interface AdmissionFacts {
  /** Pods that hold resources of this node already. */
  readonly others: readonly Pod[];
  readonly allocatable: Readonly<Record<string, string>>;
  readonly maxPods: number;
  readonly nodeName: string;
  /** `undefined`: not known; then labels and taints are not looked at. */
  readonly node: Node | undefined;
  readonly allowedUnsafeSysctls: readonly string[];
}

/** Whether this node takes the pod; the scheduler may have been wrong, or never asked. @see `edge-runtime` §2.7 */
export function admitPod(pod: Pod, facts: AdmissionFacts): PodVerdict | undefined {
  const sysctl = sysctlRefusal(pod, facts.allowedUnsafeSysctls);
  if (sysctl !== undefined) return failed("SysctlForbidden", sysctl);
  return (
    checkResources(pod, facts) ??
    checkNode(pod, facts) ??
    checkHostPorts(pod, facts.others) ??
    checkPlatform(pod, facts)
  );
}

function failed(reason: string, message: string): PodVerdict {
  return { phase: "Failed", reason, message };
}

function predicate(reason: string, message: string): PodVerdict {
  return failed(reason, `Pod was rejected: ${message}`);
}

function checkResources(pod: Pod, { others, allocatable, maxPods }: AdmissionFacts): PodVerdict | undefined {
  const capacityPods = allocatable["pods"] === undefined ? maxPods : Number(allocatable["pods"]);
  if (others.length + 1 > capacityPods) return outOf("pods", 1n, BigInt(others.length), BigInt(capacityPods));
  for (const [resource, wanted] of podRequests(pod)) {
    if (wanted === 0n) continue;
    const quantity = allocatable[resource];
    if (quantity === undefined) {
      if (allocatable["cpu"] === undefined) continue; // the node's size is not known yet
      return outOf(resource, toUnit(resource, wanted), 0n, 0n);
    }
    const capacity = parseNano(quantity); // as podRequests counts
    const used = others.reduce((sum, other) => sum + (podRequests(other).get(resource) ?? 0n), 0n);
    if (used + wanted > capacity)
      return outOf(resource, toUnit(resource, wanted), toUnit(resource, used), toUnit(resource, capacity));
  }
  return undefined;
}

const NANO_PER_MILLI = 1_000_000n;
const NANO_PER_UNIT = 1_000_000_000n;

/** In messages CPU is in milli-cores, all else in whole units. */
function toUnit(resource: string, nano: bigint): bigint {
  return nano / (resource === "cpu" ? NANO_PER_MILLI : NANO_PER_UNIT);
}

function outOf(resource: string, requested: bigint, used: bigint, capacity: bigint): PodVerdict {
  const message = `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return predicate(`OutOf${resource}`, message);
}

function checkNode(pod: Pod, { node, nodeName }: AdmissionFacts): PodVerdict | undefined {
  if (pod.spec?.nodeName !== undefined && pod.spec.nodeName !== nodeName)
    return predicate("NodeName", "Predicate NodeName failed: node(s) didn't match the requested node name");
  if (node === undefined) return undefined;
  if (!matchesNodeAffinity(pod, node))
    return predicate(
      "NodeAffinity",
      "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    );
  const taint = untoleratedTaint(node.spec?.taints, pod.spec?.tolerations, ["NoExecute"]);
  if (taint !== undefined)
    return predicate(
      "TaintToleration",
      `Predicate TaintToleration failed: node(s) had taint {${taint.key}: ${taint.value ?? ""}}, that the pod didn't tolerate`,
    );
  return undefined;
}

/** Two pods cannot listen on one port of the node. */
function checkHostPorts(pod: Pod, others: readonly Pod[]): PodVerdict | undefined {
  const taken = others.flatMap(hostPorts);
  const clash = hostPorts(pod).some((mine) =>
    taken.some(
      (other) =>
        other.port === mine.port &&
        other.protocol === mine.protocol &&
        (other.ip === mine.ip || other.ip === ANY_ADDRESS || mine.ip === ANY_ADDRESS),
    ),
  );
  return clash
    ? predicate("NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports")
    : undefined;
}

const ANY_ADDRESS = "0.0.0.0";

function hostPorts(pod: Pod): { ip: string; port: number; protocol: string }[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...(pod.spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, hostIP, protocol = "TCP" }) =>
      hostPort === 0
        ? []
        : [{ ip: hostIP === undefined || hostIP === "" ? ANY_ADDRESS : hostIP, port: hostPort, protocol }],
    ),
  );
}

function checkPlatform(pod: Pod, _facts: AdmissionFacts): PodVerdict | undefined {
  const wanted = pod.spec?.nodeSelector?.["kubernetes.io/os"];
  if (wanted !== undefined && wanted !== "linux")
    return failed(
      "PodOSSelectorNodeLabelDoesNotMatch",
      "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    );
  const os = (pod.spec as { os?: { name?: string } } | undefined)?.os?.name;
  return os !== undefined && os !== "linux"
    ? failed("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    : undefined;
}
