import { compareResourceVersions } from "@kedge/kube";

/** Which life of an object, and which state of it. Both are absent on objects that never passed an API server. */
export interface Incarnation {
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
}

/**
 * Whether an object that arrived is news. Copies may come late or twice when the link drops: a row only moves forward.
 *
 * @param stored what the table holds under the same key.
 * @param buriedVersion the version at which we were told that this very object (by UID) is gone.
 */
export function planStore(
  stored: Incarnation | undefined,
  arrived: Incarnation,
  buriedVersion: string | undefined,
): "store" | "stale" {
  if (buriedVersion !== undefined && compareResourceVersions(arrived.resourceVersion, buriedVersion) <= 0)
    return "stale";
  if (stored === undefined) return "store";
  // Same name, other UID: deleted and created anew, or of another cluster, whose versions start lower.
  if (stored.uid !== arrived.uid) return "store";
  if (arrived.resourceVersion === undefined) return "store";
  return compareResourceVersions(arrived.resourceVersion, stored.resourceVersion) > 0 ? "store" : "stale";
}

/**
 * Up to which version late copies of the object that an arrival of another UID replaces are to be kept out. If the arrival is
 * newer, what it replaces is dead. If it is older it may itself be a late copy: then what it replaces may come back as it
 * was, but no older.
 *
 * @returns `undefined`: nothing is known to be late.
 */
export function lateUpTo(stored: Incarnation, arrived: Incarnation): string | undefined {
  const { uid, resourceVersion } = stored;
  if (uid === arrived.uid || resourceVersion === undefined || !/^\d{1,20}$/.test(resourceVersion)) return undefined;
  const newer = compareResourceVersions(arrived.resourceVersion, resourceVersion) > 0;
  return newer ? resourceVersion : String(BigInt(resourceVersion) - 1n);
}

/** Whether a deletion means the row that we have. Without a UID it means whatever has the name, as KubeEdge's does. */
export function planRemove(stored: Incarnation | undefined, order: Incarnation): "remove" | "other" {
  if (stored === undefined) return "other";
  if (order.uid !== undefined && stored.uid !== undefined && order.uid !== stored.uid) return "other";
  return "remove";
}
