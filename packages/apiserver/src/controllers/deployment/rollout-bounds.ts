import type { Deployment } from "@kedge/kube";

/** How far a rollout may stray from the wanted number of pods. */
export interface RolloutBounds {
  readonly replicas: number;
  /** Pods above `replicas` while rolling. */
  readonly maxSurge: number;
  /** Pods that may be missing while rolling. */
  readonly maxUnavailable: number;
}

/** Shares are of `replicas`: surge rounds up, unavailable down; not both are zero, else nothing could move. */
export function rolloutBounds(deployment: Deployment): RolloutBounds {
  const replicas = deployment.spec?.replicas ?? 1;
  if (deployment.spec?.strategy?.type === "Recreate") return { replicas, maxSurge: 0, maxUnavailable: 0 };
  const { maxSurge, maxUnavailable } = deployment.spec?.strategy?.rollingUpdate ?? {};
  const surge = resolveShare(maxSurge ?? "25%", replicas, Math.ceil);
  let unavailable = resolveShare(maxUnavailable ?? "25%", replicas, Math.floor);
  if (surge === 0 && unavailable === 0) unavailable = 1;
  return { replicas, maxSurge: surge, maxUnavailable: Math.min(unavailable, replicas) };
}

/** A number, or a share such as `25%` of `total`. */
export function resolveShare(share: number | string, total: number, round: (value: number) => number): number {
  if (typeof share === "number") return share;
  const percent = /^(\d+)%$/.exec(share)?.[1];
  return percent === undefined ? Number.parseInt(share, 10) || 0 : round((Number(percent) * total) / 100);
}
