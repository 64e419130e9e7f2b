import { findCondition, type Pod } from "@kedge/kube";
import { isPodReady, readySince } from "../pods/pod-state.ts";

const PHASE_RANK: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

/**
 * Which of too many pods to delete first, as Kubernetes chooses: those that serve least. Not assigned before assigned,
 * pending before running, not ready before ready, cheap by annotation, crowded nodes, ready for a shorter time, more
 * restarts, younger.
 *
 * @returns a new array, the first to delete in front.
 */
export function rankForDeletion(pods: readonly Pod[]): Pod[] {
  const onNode = new Map<string, number>();
  for (const { spec } of pods)
    if (spec?.nodeName !== undefined) onNode.set(spec.nodeName, (onNode.get(spec.nodeName) ?? 0) + 1);
  const ranks = new Map(pods.map((pod) => [pod, rankOf(pod, onNode.get(pod.spec?.nodeName ?? "") ?? 0)]));
  return [...pods].sort((a, b) => {
    const [left = [], right = []] = [ranks.get(a), ranks.get(b)];
    for (let index = 0; index < left.length; index += 1) {
      const difference = (left[index] ?? 0) - (right[index] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  });
}

/** Numbers to compare in order; the smaller goes first. */
function rankOf(pod: Pod, neighbours: number): number[] {
  const cost = Number(pod.metadata?.annotations?.[DELETION_COST] ?? 0);
  const restarts = (pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount);
  return [
    pod.spec?.nodeName === undefined ? 0 : 1,
    PHASE_RANK[pod.status?.phase ?? ""] ?? 1,
    isPodReady(pod) ? 1 : 0,
    Number.isFinite(cost) ? cost : 0,
    -neighbours,
    -(readySince(pod) ?? timeOf(findCondition(pod.status?.conditions, "Ready")?.lastTransitionTime)),
    -Math.max(0, ...restarts),
    -timeOf(pod.metadata?.creationTimestamp),
  ];
}

function timeOf(time: string | undefined): number {
  const ms = Date.parse(time ?? "");
  return Number.isNaN(ms) ? 0 : ms;
}
