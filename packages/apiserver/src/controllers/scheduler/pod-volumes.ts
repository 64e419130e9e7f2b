import {
  keyOf,
  matchesNodeSelector,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  type StorageClass,
} from "@kedge/kube";
import type { LocalPathConfig } from "../storage/local-path.ts";
import { LOCAL_PATH_PROVISIONER } from "../storage/local-path.ts";
import { matchVolume } from "../storage/match-volume.ts";
import { claimsOf, isOwnClaim } from "../storage/pod-claims.ts";
import { NO_PROVISIONER, SELECTED_NODE, WAIT_FOR_CONSUMER } from "../storage/storage-names.ts";
import type { NodeView } from "./node-view.ts";

/** What the scheduler looks volumes up in. */
export interface VolumeCaches {
  readonly claims: { get(key: string): PersistentVolumeClaim | undefined };
  readonly persistentVolumes: {
    get(key: string): PersistentVolume | undefined;
    list(): PersistentVolume[];
  };
  readonly storageClasses: { get(key: string): StorageClass | undefined };
  readonly localPath: LocalPathConfig | undefined;
}

/** Where a pod's volumes let it run. */
export type VolumeFit =
  /** Nowhere yet; in kube-scheduler's words. */
  | { readonly refusal: string }
  | {
      readonly refusal?: undefined;
      readonly filter: (view: NodeView) => readonly string[];
      /** Claims that wait to learn the pod's node. */
      readonly unbound: readonly PersistentVolumeClaim[];
    };

const OTHER_NODE = "node(s) didn't match PersistentVolume's node affinity";
const NO_VOLUME = "node(s) didn't find available persistent volumes to bind";

/** @see kube-scheduler's plugin VolumeBinding. */
export function podVolumes(pod: Pod, caches: VolumeCaches): VolumeFit {
  const filters: ((view: NodeView) => string | undefined)[] = [];
  const unbound: PersistentVolumeClaim[] = [];
  for (const { name, ephemeral } of claimsOf(pod)) {
    const claim = caches.claims.get(
      keyOf({ metadata: { namespace: pod.metadata?.namespace, name } as { name: string } }),
    );
    if (claim === undefined)
      return {
        refusal: ephemeral
          ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
          : `persistentvolumeclaim "${name}" not found`,
      };
    if (ephemeral && !isOwnClaim(claim, pod))
      return { refusal: `PVC ${name} was not created for pod ${pod.metadata?.name} (pod is not owner)` };
    if (claim.metadata?.deletionTimestamp !== undefined)
      return { refusal: `persistentvolumeclaim "${name}" is being deleted` };
    if (claim.status?.phase === "Lost")
      return {
        refusal: `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`,
      };
    if (claim.status?.phase === "Bound") {
      const volume = caches.persistentVolumes.get(claim.spec?.volumeName ?? "");
      filters.push((view) => ofVolume(volume, view));
      continue;
    }
    const storageClass = caches.storageClasses.get(claim.spec?.storageClassName ?? "");
    if (storageClass?.volumeBindingMode !== WAIT_FOR_CONSUMER)
      return { refusal: "pod has unbound immediate PersistentVolumeClaims" };
    unbound.push(claim);
    filters.push((view) => ofUnbound(claim, storageClass, view, caches));
  }
  return { unbound, filter: (view) => [...new Set(filters.flatMap((filter) => filter(view) ?? []))] };
}

function ofVolume(volume: PersistentVolume | undefined, { node }: NodeView): string | undefined {
  if (volume === undefined) return "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
  const required = volume.spec?.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, node) ? undefined : OTHER_NODE;
}

function ofUnbound(
  claim: PersistentVolumeClaim,
  { provisioner }: StorageClass,
  { node, name }: NodeView,
  { persistentVolumes, localPath }: VolumeCaches,
): string | undefined {
  const selected = claim.metadata?.annotations?.[SELECTED_NODE];
  if (selected !== undefined) return selected === name ? undefined : NO_VOLUME; // it may be under way there
  if (matchVolume(claim, persistentVolumes.list(), node) !== undefined) return undefined;
  if (provisioner === NO_PROVISIONER) return NO_VOLUME;
  if (provisioner === LOCAL_PATH_PROVISIONER && localPath !== undefined && localPath.nodeName !== name)
    return NO_VOLUME;
  return undefined;
}
