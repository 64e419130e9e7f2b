import { findCondition, isConditionTrue, type Pod } from "@kedge/kube";

/** Neither ended nor asked to end. */
export function isPodActive(pod: Pod): boolean {
  return !isPodFinished(pod) && pod.metadata?.deletionTimestamp === undefined;
}

/** All its containers ended for good. */
export function isPodFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

export function isPodReady(pod: Pod): boolean {
  return isConditionTrue(pod.status?.conditions, "Ready");
}

/** Since when it is ready, in ms since the epoch; undefined when it is not. */
export function readySince(pod: Pod): number | undefined {
  const condition = findCondition(pod.status?.conditions, "Ready");
  if (condition?.status !== "True") return undefined;
  return Date.parse(condition.lastTransitionTime ?? pod.metadata?.creationTimestamp ?? "");
}

/**
 * When a pod counts as available: ready for `minReadySeconds`.
 *
 * @returns 0: it is; a number of ms: it will be then if nothing happens; undefined: it is not ready.
 */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const since = readySince(pod);
  if (since === undefined) return undefined;
  if (minReadySeconds === 0 || Number.isNaN(since)) return 0;
  return Math.max(0, since + minReadySeconds * 1000 - nowMs);
}
