import {
  compareQuantities,
  matchesNodeSelector,
  type Node,
  parseQuantity,
  type PersistentVolume,
  type PersistentVolumeClaim,
  selectorMatches,
} from "@kedge/kube";

/**
 * The volume that a claim is to be bound to: one that was made for it, else the smallest that does.
 *
 * @param node where the claim's pod shall run; `undefined`: not decided.
 */
export function matchVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  node: Node | undefined,
): PersistentVolume | undefined {
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (!fits(claim, volume, node)) continue;
    if (isReservedFor(volume, claim)) return volume;
    if (best === undefined || compareQuantities(sizeOf(volume), sizeOf(best)) < 0) best = volume;
  }
  return best;
}

function fits(claim: PersistentVolumeClaim, volume: PersistentVolume, node: Node | undefined): boolean {
  const { claimRef, accessModes = [], nodeAffinity, volumeMode = "Filesystem" } = volume.spec ?? {};
  if (volume.metadata?.deletionTimestamp !== undefined) return false;
  if (claimRef !== undefined && !isReservedFor(volume, claim)) return false;
  if (volumeMode !== (claim.spec?.volumeMode ?? "Filesystem")) return false;
  const required = nodeAffinity?.required;
  if (node !== undefined && required !== undefined && !matchesNodeSelector(required, node)) return false;
  if (compareQuantities(sizeOf(volume), parseQuantity(claim.spec?.resources?.requests?.["storage"] ?? "0")) < 0)
    return false;
  if (!(claim.spec?.accessModes ?? []).every((mode) => accessModes.includes(mode))) return false;
  if (claimRef !== undefined) return true;
  if ((volume.spec?.storageClassName ?? "") !== (claim.spec?.storageClassName ?? "")) return false;
  const { selector } = claim.spec ?? {};
  return selector === undefined || selectorMatches(selector, volume.metadata?.labels);
}

/** Whether the volume names this claim, and not another of its name. */
export function isReservedFor(volume: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const { name, namespace, uid } = volume.spec?.claimRef ?? {};
  return name === metadata?.name && namespace === metadata?.namespace && (uid === undefined || uid === metadata?.uid);
}

function sizeOf({ spec }: PersistentVolume) {
  return parseQuantity(spec?.capacity?.["storage"] ?? "0");
}
