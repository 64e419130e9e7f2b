import { matchesNodeAffinity, type Node, type Pod, untoleratedTaint } from "@kedge/kube";
import { milliOf, valueOf } from "../resources/cgroup-values.ts";
import { podRequests } from "../resources/pod-resources.ts";
import { quantityMilli, quantityValue } from "../resources/quantity.ts";
import { type SecurityFacts, securityRefusal } from "../security/security-admission.ts";
import { sysctlRefusal } from "../security/sysctl-admission.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import { isStaticPod } from "../static-pods/static-pod-annotations.ts";

export interface AdmissionFacts {
  /** Pods that hold resources of this node already. */
  readonly others: readonly Pod[];
  readonly allocatable: Readonly<Record<string, string>>;
  readonly maxPods: number;
  readonly nodeName: string;
  /** `undefined`: not known; then labels and taints are not looked at. */
  readonly node: Node | undefined;
  readonly allowedUnsafeSysctls: readonly string[];
  readonly security?: SecurityFacts;
}

/** There is not enough of something: the pod could be taken if others went. */
export interface Shortage {
  readonly resource: string;
  /** CPU in thousandths of a core, all else in whole units. */
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

export interface AdmissionFailures {
  readonly shortages: readonly Shortage[];
  /** What no room would help against, in a kubelet's order. */
  readonly others: readonly PodVerdict[];
}

/**
 * Whether this node takes the pod; the scheduler may have been wrong, or never asked.
 *
 * @returns the reason that a kubelet would give; `undefined`: it is welcome.
 * @see `edge-runtime` §2.7
 */
export function admitPod(pod: Pod, facts: AdmissionFacts): PodVerdict | undefined {
  return refuseForGood(pod, facts) ?? firstFailure(admissionFailures(pod, facts));
}

/** What no other pod's end would change, and is looked at before any resource is given to the pod. */
export function refuseForGood(
  pod: Pod,
  facts: Pick<AdmissionFacts, "allowedUnsafeSysctls" | "security">,
): PodVerdict | undefined {
  const sysctl = sysctlRefusal(pod, facts.allowedUnsafeSysctls);
  if (sysctl !== undefined) return refusal("SysctlForbidden", sysctl);
  const security = facts.security === undefined ? undefined : securityRefusal(pod, facts.security);
  return security === undefined ? undefined : refusal(security.reason, security.message);
}

/** All that is against the pod. */
export function admissionFailures(pod: Pod, facts: AdmissionFacts): AdmissionFailures {
  const platform = checkPlatform(pod);
  if (platform !== undefined) return { shortages: [], others: [platform] };
  const others = [...checkNode(pod, facts), ...checkHostPorts(pod, facts.others), ...checkTaints(pod, facts)];
  return { shortages: shortagesOf(pod, facts), others };
}

export function firstFailure({ shortages: [shortage], others: [other] }: AdmissionFailures): PodVerdict | undefined {
  return shortage === undefined ? other : outOf(shortage);
}

/** @param why in a kubelet's words. */
export function refusal(reason: string, why: string): PodVerdict {
  return { phase: "Failed", reason, message: `${REJECTED}${why}` };
}

/** The event of a refusal says only why. */
export function whyRefused({ message }: PodVerdict): string {
  return message.startsWith(REJECTED) ? message.slice(REJECTED.length) : message;
}

const REJECTED = "Pod was rejected: ";

function predicate(name: string, why: string): PodVerdict {
  return refusal(name, `Predicate ${name} failed: ${why}`);
}

function outOf({ resource, requested, used, capacity }: Shortage): PodVerdict {
  const message = `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return refusal(`OutOf${resource}`, message);
}

/** In a kubelet's order; the rest by name. */
const FIRST = ["cpu", "memory", "ephemeral-storage"];

function shortagesOf(pod: Pod, { others, allocatable, maxPods }: AdmissionFacts): Shortage[] {
  const shortages: Shortage[] = [];
  const pods = allocatable["pods"] === undefined ? maxPods : quantityValue(allocatable["pods"]);
  if (others.length + 1 > pods) shortages.push({ resource: "pods", requested: 1, used: others.length, capacity: pods });
  const wanted = podRequests(pod);
  const rest = [...wanted.keys()].filter((resource) => !FIRST.includes(resource)).sort();
  for (const resource of [...FIRST, ...rest]) {
    const requested = inUnit(resource, wanted.get(resource));
    if (requested === 0) continue;
    const quantity = allocatable[resource];
    // What only the cluster knows of is the cluster's to count.
    if (quantity === undefined && isExtendedResource(resource)) continue;
    const capacity = resource === "cpu" ? quantityMilli(quantity) : quantityValue(quantity);
    const used = others.reduce((sum, other) => sum + requestOf(other, resource), 0);
    if (requested > capacity - used) shortages.push({ resource, requested, used, capacity });
  }
  return shortages;
}

/** What a pod asks for, as messages count it: CPU in thousandths of a core, all else in whole units. */
export function requestOf(pod: Pod, resource: string): number {
  return resource === "pods" ? 1 : inUnit(resource, podRequests(pod).get(resource));
}

function inUnit(resource: string, nano: bigint | undefined): number {
  return resource === "cpu" ? milliOf(nano) : valueOf(nano);
}

/** A resource that someone else than Kubernetes has named: `example.com/gpu`. */
export function isExtendedResource(resource: string): boolean {
  return resource.includes("/") && !resource.includes("kubernetes.io/") && !resource.startsWith("requests.");
}

function checkNode(pod: Pod, { node, nodeName }: AdmissionFacts): PodVerdict[] {
  const failures: PodVerdict[] = [];
  const os = pod.spec?.nodeSelector?.[OS_LABEL] ?? LINUX; // this label we know without the cluster
  const fits = node === undefined ? os === LINUX : matchesNodeAffinity(pod, node);
  if (!fits) failures.push(predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));
  if (pod.spec?.nodeName !== undefined && pod.spec.nodeName !== nodeName)
    failures.push(predicate("NodeName", "node(s) didn't match the requested node name"));
  return failures;
}

/** What the node itself runs does not ask the cluster's taints. */
function checkTaints(pod: Pod, { node }: AdmissionFacts): PodVerdict[] {
  if (isStaticPod(pod)) return [];
  const taint = untoleratedTaint(node?.spec?.taints, pod.spec?.tolerations, ["NoExecute"]);
  return taint === undefined ? [] : [predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate")];
}

/** Two pods cannot listen on one port of the node. */
function checkHostPorts(pod: Pod, others: readonly Pod[]): PodVerdict[] {
  const taken = others.flatMap(hostPorts);
  const clash = hostPorts(pod).some((mine) =>
    taken.some(
      (other) =>
        other.port === mine.port &&
        other.protocol === mine.protocol &&
        (other.ip === mine.ip || other.ip === ANY_ADDRESS || mine.ip === ANY_ADDRESS),
    ),
  );
  return clash ? [predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")] : [];
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

const OS_LABEL = "kubernetes.io/os";
const LINUX = "linux";

function checkPlatform({ metadata, spec }: Pod): PodVerdict | undefined {
  const label = metadata?.labels?.[OS_LABEL];
  if (label !== undefined && label !== LINUX)
    return refusal(
      "PodOSSelectorNodeLabelDoesNotMatch",
      "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    );
  return spec?.os !== undefined && spec.os.name !== LINUX
    ? refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    : undefined;
}
