import { controllerOf, type Pod, preferredNodeWeight, selectorMatches, untoleratedTaint } from "@kedge/kube";
import type { NodeView } from "./node-view.ts";
import type { Amounts } from "./pod-requests.ts";

const AFFINITY_WEIGHT = 2;
const TAINT_WEIGHT = 3;
const SPREAD_WEIGHT = 2;

/** How well a pod would sit on a node that it may run on; more is better, comparable within one decision. */
export function scoreNode(pod: Pod, requests: Amounts, view: NodeView): number {
  const avoided = untoleratedTaint(view.node.spec?.taints, pod.spec?.tolerations, ["PreferNoSchedule"]);
  return (
    leastAllocated(requests, view) +
    AFFINITY_WEIGHT * preferredNodeWeight(pod, view.node) +
    (avoided === undefined ? TAINT_WEIGHT * 100 : 0) -
    SPREAD_WEIGHT * 10 * siblings(pod, view) +
    preferredPods(pod, view)
  );
}

/** 0 … 100: the mean share of CPU and memory that stays free. */
function leastAllocated(requests: Amounts, { allocatable, requested }: NodeView): number {
  let score = 0;
  for (const name of ["cpu", "memory"]) {
    const capacity = Number(allocatable[name] ?? 0n);
    if (capacity === 0) continue;
    const used = Number((requested[name] ?? 0n) + (requests[name] ?? 0n));
    score += (50 * Math.max(0, capacity - used)) / capacity;
  }
  return score;
}

/** Pods of the same owner on this node: replicas are worth more apart. */
function siblings(pod: Pod, view: NodeView): number {
  const owner = controllerOf(pod)?.uid;
  return owner === undefined ? 0 : view.pods.filter((other) => controllerOf(other)?.uid === owner).length;
}

/** Preferred pod affinity and anti-affinity, as far as this node itself tells (its own name as domain). */
function preferredPods(pod: Pod, view: NodeView): number {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  const near = podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const far = podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const met = ({ podAffinityTerm: { labelSelector, namespaces } }: (typeof near)[number]) =>
    view.pods.some(
      (other) =>
        (namespaces ?? [pod.metadata?.namespace]).includes(other.metadata?.namespace ?? "") &&
        selectorMatches(labelSelector, other.metadata?.labels),
    );
  const sum = (terms: typeof near) => terms.reduce((total, term) => total + (met(term) ? term.weight : 0), 0);
  return sum(near) - sum(far);
}
