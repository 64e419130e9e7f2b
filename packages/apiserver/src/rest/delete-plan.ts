import type { DeleteOptions, KubeObject, Pod } from "@kedge/kube";
import { metadataOf, type MutableMetadata } from "./mutable-metadata.ts";
import { timestamp } from "./timestamp.ts";

/** The garbage collector removes these once it has done what they stand for. */
export const FINALIZER_ORPHAN = "orphan";
export const FINALIZER_FOREGROUND = "foregroundDeletion";

const POD_GRACE_SECONDS = 30;

/** Nothing holds an object that is being deleted any more. */
export function mayBeRemoved(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata ?? {};
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds > 0 || finalizers.length > 0) return false;
  if (object.apiVersion === "v1" && object.kind === "Namespace")
    return ((object as { spec?: { finalizers?: string[] } }).spec?.finalizers ?? []).length === 0;
  return true;
}

/**
 * What an object becomes when its deletion is asked for. It is gone if {@link mayBeRemoved} then says so; otherwise it
 * stays, marked, until its kubelet, its finalizers or the namespace controller are done.
 *
 * @param object a copy; changed in place.
 */
export function markDeleted(object: KubeObject, options: DeleteOptions, nowMs: number): void {
  const metadata = metadataOf(object);
  setCollectorFinalizers(metadata, options);
  const graceSeconds = graceSecondsOf(object, options);
  if (metadata.deletionTimestamp === undefined) {
    metadata.deletionTimestamp = timestamp(nowMs + graceSeconds * 1000);
    const isNamespace = object.apiVersion === "v1" && object.kind === "Namespace";
    if (!isNamespace) metadata.deletionGracePeriodSeconds = graceSeconds;
    if (metadata.generation !== undefined) metadata.generation += 1;
    if (isNamespace)
      (object as { status?: object }).status = { ...(object as { status?: object }).status, phase: "Terminating" };
    return;
  }
  const before = metadata.deletionGracePeriodSeconds ?? 0;
  if (graceSeconds >= before) return; // a deletion may be hurried, not delayed
  const requestedMs = Date.parse(metadata.deletionTimestamp) - before * 1000;
  metadata.deletionTimestamp = timestamp(requestedMs + graceSeconds * 1000);
  metadata.deletionGracePeriodSeconds = graceSeconds;
}

function setCollectorFinalizers(metadata: MutableMetadata, options: DeleteOptions): void {
  const { propagationPolicy, orphanDependents } = options;
  if (propagationPolicy === undefined && orphanDependents === undefined) return;
  const wanted =
    propagationPolicy === "Orphan" || (propagationPolicy === undefined && orphanDependents === true)
      ? [FINALIZER_ORPHAN]
      : propagationPolicy === "Foreground"
        ? [FINALIZER_FOREGROUND]
        : [];
  const others = (metadata.finalizers ?? []).filter(
    (name) => name !== FINALIZER_ORPHAN && name !== FINALIZER_FOREGROUND,
  );
  const finalizers = [...others, ...wanted];
  if (finalizers.length === 0) delete metadata.finalizers;
  else metadata.finalizers = finalizers;
}

/** Only pods on a node need time: somebody must stop their containers. */
function graceSecondsOf(object: KubeObject, { gracePeriodSeconds }: DeleteOptions): number {
  if (object.apiVersion !== "v1" || object.kind !== "Pod") return 0;
  const { spec, status } = object as Pod;
  if ((spec?.nodeName ?? "") === "" || status?.phase === "Succeeded" || status?.phase === "Failed") return 0;
  const asked = gracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? POD_GRACE_SECONDS;
  return asked < 0 ? 1 : asked;
}
