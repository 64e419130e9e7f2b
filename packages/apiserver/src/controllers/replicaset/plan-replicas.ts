import type { Pod, ReplicaSet } from "@kedge/kube";
import { isPodActive } from "../pods/pod-state.ts";
import { rankForDeletion } from "./rank-pods.ts";

/** Pods created or deleted in one round; the next round does the rest. */
export const REPLICAS_BURST_MAX = 500;

export interface ReplicasPlan {
  readonly create: number;
  readonly remove: readonly Pod[];
}

/** How many pods are missing, or which are too many. @param pods all that the ReplicaSet owns. */
export function planReplicas(replicaSet: ReplicaSet, pods: readonly Pod[]): ReplicasPlan {
  if (replicaSet.metadata?.deletionTimestamp !== undefined) return { create: 0, remove: [] };
  const active = pods.filter(isPodActive);
  const missing = (replicaSet.spec?.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.min(missing, REPLICAS_BURST_MAX), remove: [] };
  return { create: 0, remove: rankForDeletion(active).slice(0, Math.min(-missing, REPLICAS_BURST_MAX)) };
}
