import type { Deployment, ReplicaSet } from "@kedge/kube";
import { annotatedNumber, DESIRED_REPLICAS, MAX_REPLICAS } from "./deployment-annotations.ts";
import { type RolloutBounds, rolloutBounds } from "./rollout-bounds.ts";

/** A ReplicaSet and the replicas it shall have. */
export interface Scaling {
  readonly replicaSet: ReplicaSet;
  readonly replicas: number;
}

export function replicasOf(replicaSet: ReplicaSet): number {
  return replicaSet.spec?.replicas ?? 1;
}

export function totalReplicas(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, each) => sum + replicasOf(each), 0);
}

export function totalAvailable(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, each) => sum + (each.status?.availableReplicas ?? 0), 0);
}

/** Whether the user changed `replicas` since the ReplicaSets were last scaled. */
export function wasScaled(deployment: Deployment, replicaSets: readonly ReplicaSet[]): boolean {
  const { replicas } = rolloutBounds(deployment);
  return replicaSets.some((replicaSet) => {
    const desired = annotatedNumber(replicaSet, DESIRED_REPLICAS);
    return replicasOf(replicaSet) > 0 && desired !== undefined && desired !== replicas;
  });
}

/** How a changed `replicas` is shared among ReplicaSets, also in the middle of a rollout. */
export function planScaling(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Scaling[] {
  const bounds = rolloutBounds(deployment);
  const all = current === undefined ? [...old] : [...old, current];
  const active = all.filter((replicaSet) => replicasOf(replicaSet) > 0);
  const only = active.length > 1 ? undefined : (active[0] ?? current ?? latest(old));
  if (only !== undefined)
    return replicasOf(only) === bounds.replicas ? [] : [{ replicaSet: only, replicas: bounds.replicas }];
  if (current !== undefined && isSaturated(current, bounds))
    return old.filter((each) => replicasOf(each) > 0).map((replicaSet) => ({ replicaSet, replicas: 0 }));
  return deployment.spec?.strategy?.type === "Recreate" ? [] : shareProportionally(deployment, active, bounds);
}

function isSaturated(replicaSet: ReplicaSet, { replicas }: RolloutBounds): boolean {
  return (
    replicasOf(replicaSet) === replicas &&
    annotatedNumber(replicaSet, DESIRED_REPLICAS) === replicas &&
    (replicaSet.status?.availableReplicas ?? 0) === replicas
  );
}

/** Each grows or shrinks by its share, so that a rollout that goes wrong does not get all of the new replicas. */
function shareProportionally(deployment: Deployment, active: readonly ReplicaSet[], bounds: RolloutBounds): Scaling[] {
  const allowed = bounds.replicas > 0 ? bounds.replicas + bounds.maxSurge : 0;
  const toAdd = allowed - totalReplicas(active);
  // The largest first; of equals the newer one grows first and the older one shrinks first.
  const sorted = [...active].sort((a, b) => replicasOf(b) - replicasOf(a) || (toAdd > 0 ? byAge(b, a) : byAge(a, b)));
  let added = 0;
  const scalings = sorted.map((replicaSet) => {
    const rest = toAdd - added;
    const wanted = toAdd === 0 ? 0 : shareOf(replicaSet, deployment, bounds);
    const share = toAdd > 0 ? Math.min(wanted, rest) : Math.max(wanted, rest);
    added += share;
    return { replicaSet, replicas: replicasOf(replicaSet) + share };
  });
  return scalings.map(({ replicaSet, replicas }, index) => ({
    replicaSet,
    replicas: Math.max(0, index === 0 ? replicas + toAdd - added : replicas), // what rounding left over
  }));
}

function shareOf(replicaSet: ReplicaSet, deployment: Deployment, { replicas, maxSurge }: RolloutBounds): number {
  const size = replicasOf(replicaSet);
  if (replicas === 0) return -size;
  const before = annotatedNumber(replicaSet, MAX_REPLICAS) ?? deployment.status?.replicas ?? 0;
  return before === 0 ? 0 : Math.round((size * (replicas + maxSurge)) / before) - size;
}

function latest(replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...replicaSets].sort((a, b) => byAge(b, a))[0];
}

/** Older first; names decide between equals, so that the order never depends on a list's order. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const difference = Date.parse(a.metadata?.creationTimestamp ?? "") - Date.parse(b.metadata?.creationTimestamp ?? "");
  return difference || (a.metadata?.name ?? "").localeCompare(b.metadata?.name ?? "");
}
