import type { OwnerReference } from "@kedge/kube";
import { FOREGROUND, type GraphNode, ORPHAN } from "./dependency-graph.ts";

/** What became of an owner that an object names. `waiting`: it goes, and waits for its dependents to go first. */
export type OwnerState = "present" | "absent" | "waiting";

export type CollectionPlan =
  | { readonly action: "keep" }
  /** It has an owner left; the references to others must go, else it would be looked at for ever. */
  | { readonly action: "dropOwners"; readonly uids: readonly string[] }
  | { readonly action: "delete"; readonly propagationPolicy: "Background" | "Foreground" | "Orphan" };

/** Whether an object that has owners must go. */
export function planCollection(
  node: GraphNode,
  owners: readonly { readonly owner: OwnerReference; readonly state: OwnerState }[],
  hasDependents: boolean,
): CollectionPlan {
  if (owners.length === 0 || node.deleting) return { action: "keep" };
  const uids = owners.filter(({ state }) => state !== "present").map(({ owner }) => owner.uid);
  if (uids.length === 0) return { action: "keep" };
  if (uids.length < owners.length) return { action: "dropOwners", uids };
  // Its owner waits for it, so it waits for its own: the whole tree goes from its leaves.
  if (hasDependents && owners.some(({ state }) => state === "waiting"))
    return { action: "delete", propagationPolicy: "Foreground" };
  if (node.finalizers.includes(ORPHAN)) return { action: "delete", propagationPolicy: "Orphan" };
  if (node.finalizers.includes(FOREGROUND)) return { action: "delete", propagationPolicy: "Foreground" };
  return { action: "delete", propagationPolicy: "Background" };
}
