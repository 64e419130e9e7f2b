import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, type PersistentVolume } from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode, toError } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { LOCAL_PATH_PROVISIONER, removeLocalPath } from "./local-path.ts";
import { PROVISIONED_BY, VOLUME_PROTECTION } from "./storage-names.ts";

/** Says of each volume whether it is free, bound or released; takes away what is released and shall not stay. */
export function startVolumeController(context: ControllerContext): ControllerLoop {
  const { kube, informers, localPath, logger } = context;
  const { persistentVolumes, claims } = informers;
  const recorder = context.recorder("persistentvolume-controller");

  async function reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const volume = persistentVolumes.get(name);
    if (volume === undefined) return {};
    if (volume.metadata?.deletionTimestamp !== undefined) {
      if (volume.status?.phase !== "Bound" || !(await claimIsThere(volume, signal))) await letGo(volume, signal);
      return {};
    }
    const { claimRef } = volume.spec ?? {};
    // A name without a uid reserves it for a claim that is still to come.
    if (claimRef?.uid === undefined) {
      await writePhase(volume, "Available", undefined, signal);
      return {};
    }
    if (await claimIsThere(volume, signal)) return {}; // the binder writes that it is bound
    await writePhase(volume, "Released", undefined, signal);
    if (volume.spec?.persistentVolumeReclaimPolicy === "Delete") await reclaim(volume, signal);
    return {};
  }

  async function claimIsThere(volume: PersistentVolume, signal: AbortSignal): Promise<boolean> {
    const { namespace = "", name = "", uid } = volume.spec?.claimRef ?? {};
    if (uid === undefined) return false;
    if (claims.get({ namespace, name })?.metadata?.uid === uid) return true;
    // Absence is not believed of a cache: data hangs on it.
    try {
      return (await kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace, name }, signal)).metadata?.uid === uid;
    } catch (error) {
      if (hasCode(error, "NotFound")) return false;
      throw error;
    }
  }

  async function reclaim(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const { name = "", annotations, uid = "" } = volume.metadata ?? {};
    const provisioner = annotations?.[PROVISIONED_BY];
    if (provisioner !== undefined && provisioner !== LOCAL_PATH_PROVISIONER) return; // its provisioner deletes it
    try {
      if (provisioner === undefined || localPath === undefined)
        throw new Error("nobody here can delete this volume: it was not provisioned by this control plane");
      await removeLocalPath(volume, localPath);
    } catch (error) {
      signal.throwIfAborted();
      const { message } = toError(error);
      if (volume.status?.phase !== "Failed")
        recorder.record(PERSISTENT_VOLUMES, volume, "Warning", "VolumeFailedDelete", message);
      await writePhase(volume, "Failed", message, signal);
      return;
    }
    await kube.delete(PERSISTENT_VOLUMES, { name }, signal, { preconditions: { uid } });
    logger.info({ volume: name }, "volume removed with its directory: its claim is gone");
  }

  async function writePhase(
    volume: PersistentVolume,
    phase: string,
    message: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { status } = volume;
    if (status?.phase === phase || (status?.phase === "Failed" && phase === "Released")) return;
    const { name = "", uid = "" } = volume.metadata ?? {};
    const body = { metadata: { uid }, status: { phase, message: message ?? null } };
    await kube.patch(PERSISTENT_VOLUMES, { name }, { type: "merge", body }, signal, { subresource: "status" });
  }

  /** Nobody uses it any more. */
  async function letGo(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const { finalizers = [] } = volume.metadata ?? {};
    const kept = finalizers.filter((finalizer) => finalizer !== VOLUME_PROTECTION);
    if (kept.length === finalizers.length) return;
    await kube.update(PERSISTENT_VOLUMES, { ...volume, metadata: { ...volume.metadata, finalizers: kept } }, signal);
  }

  const loop = new ControllerLoop("persistentvolume-lifecycle", context, [persistentVolumes, claims], reconcile);
  loop.on(persistentVolumes, (_, volume) => (volume === undefined ? [] : [volume.metadata?.name ?? ""]));
  loop.on(claims, (old, claim) => {
    const { volumeName } = (claim ?? old)?.spec ?? {};
    return claim === undefined && volumeName !== undefined ? [volumeName] : [];
  });
  return loop;
}
