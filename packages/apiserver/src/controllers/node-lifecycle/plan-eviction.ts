import { type Pod, type Taint, tolerates } from "@kedge/kube";

/**
 * When a pod must leave a node with these taints.
 *
 * @param firstSeenMs when a taint without `timeAdded` was first seen, ms since the epoch.
 * @returns ms from now, at least 0; undefined: it may stay.
 */
export function evictionDelayMs(
  pod: Pod,
  taints: readonly Taint[] | undefined,
  firstSeenMs: number,
  nowMs: number,
): number | undefined {
  let delayMs: number | undefined;
  for (const taint of taints ?? []) {
    if (taint.effect !== "NoExecute") continue;
    const matching = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    const limits = matching.flatMap(({ tolerationSeconds }) =>
      tolerationSeconds === undefined ? [] : [tolerationSeconds],
    );
    if (limits.length === 0) continue; // tolerated for ever
    const added = Date.parse(taint.timeAdded ?? "");
    const left = (Number.isNaN(added) ? firstSeenMs : added) + Math.max(0, Math.min(...limits)) * 1000 - nowMs;
    delayMs = Math.min(delayMs ?? Infinity, Math.max(0, left));
  }
  return delayMs;
}
