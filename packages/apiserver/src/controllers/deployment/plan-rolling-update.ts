import type { Deployment, ReplicaSet } from "@kedge/kube";
import { byAge, replicasOf, type Scaling, totalAvailable, totalReplicas } from "./plan-scaling.ts";
import { rolloutBounds } from "./rollout-bounds.ts";

/** How many replicas the ReplicaSet of the current template may have now. @param current its replicas; 0 when there is none. */
export function newReplicas(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  const { replicas, maxSurge } = rolloutBounds(deployment);
  if (deployment.spec?.strategy?.type === "Recreate") return replicas;
  const room = replicas + maxSurge - totalReplicas(all);
  if (current >= replicas || room <= 0) return Math.min(current, replicas);
  return current + Math.min(room, replicas - current);
}

/**
 * The next step of a rolling update: first the new pods as far as `maxSurge` allows, then old pods away as far as
 * `maxUnavailable` allows, broken ones first. An empty list: wait for pods to become available, or done.
 */
export function planRollingUpdate(
  deployment: Deployment,
  current: ReplicaSet,
  old: readonly ReplicaSet[],
): readonly Scaling[] {
  const all = [...old, current];
  const replicas = newReplicas(deployment, all, replicasOf(current));
  if (replicas !== replicasOf(current)) return [{ replicaSet: current, replicas }];
  return planOldDown(deployment, current, old);
}

function planOldDown(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Scaling[] {
  if (totalReplicas(old) === 0) return [];
  const { replicas, maxUnavailable } = rolloutBounds(deployment);
  const all = [...old, current];
  const availableMin = replicas - maxUnavailable;
  const newUnavailable = replicasOf(current) - (current.status?.availableReplicas ?? 0);
  const removable = totalReplicas(all) - availableMin - newUnavailable;
  if (removable <= 0) return [];

  const sizes = new Map([...old].sort(byAge).map((replicaSet) => [replicaSet, replicasOf(replicaSet)]));
  let broken = removable;
  for (const [replicaSet, size] of sizes) {
    const down = Math.min(broken, Math.max(0, size - (replicaSet.status?.availableReplicas ?? 0)));
    sizes.set(replicaSet, size - down);
    broken -= down;
  }
  let spare = totalAvailable(all) - availableMin;
  for (const [replicaSet, size] of sizes) {
    if (spare <= 0) break;
    const down = Math.min(spare, size);
    sizes.set(replicaSet, size - down);
    spare -= down;
  }
  return [...sizes]
    .filter(([replicaSet, size]) => size !== replicasOf(replicaSet))
    .map(([replicaSet, size]) => ({ replicaSet, replicas: size }));
}
