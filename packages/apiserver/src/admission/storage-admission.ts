import type { KubeObject, PersistentVolumeClaim, StorageClass } from "@kedge/kube";
import { CLAIM_PROTECTION, DEFAULT_CLASS, VOLUME_PROTECTION } from "../controllers/storage/storage-names.ts";
import { keyPrefix } from "../storage/object-key.ts";
import type { Admission } from "./admit.ts";

const STORAGE_CLASSES = { group: "storage.k8s.io", resource: "storageclasses" };

/** A claim without a class gets the default one; of several, the newest. An empty name asks for none. */
export function setDefaultStorageClass({ writer }: Admission, { spec }: PersistentVolumeClaim): void {
  if (spec === undefined || spec.storageClassName !== undefined) return;
  const defaults = writer
    .list(keyPrefix(STORAGE_CLASSES))
    .map(({ object }) => object as StorageClass)
    .filter(({ metadata }) => metadata?.annotations?.[DEFAULT_CLASS] === "true")
    .toSorted((a, b) => ageOf(b).localeCompare(ageOf(a)) || nameOf(a).localeCompare(nameOf(b)));
  const [chosen] = defaults;
  if (chosen !== undefined) spec.storageClassName = nameOf(chosen);
}

/** What is in use stays until it is not. */
export function protectInUse(object: KubeObject, kind: "claim" | "volume"): void {
  const finalizer = kind === "claim" ? CLAIM_PROTECTION : VOLUME_PROTECTION;
  const metadata = object.metadata;
  if (metadata === undefined || metadata.finalizers?.includes(finalizer) === true) return;
  metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
}

function ageOf({ metadata }: KubeObject): string {
  return metadata?.creationTimestamp ?? "";
}

function nameOf({ metadata }: KubeObject): string {
  return metadata?.name ?? "";
}
