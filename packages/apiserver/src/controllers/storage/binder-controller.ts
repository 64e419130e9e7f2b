import {
  keyOf,
  type Node,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type StorageClass,
} from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode, toError } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { LOCAL_PATH_PROVISIONER, provisionLocalPath } from "./local-path.ts";
import { isReservedFor, matchVolume } from "./match-volume.ts";
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  NO_PROVISIONER,
  SELECTED_NODE,
  STORAGE_PROVISIONER,
  WAIT_FOR_CONSUMER,
} from "./storage-names.ts";

/** Should no change tell, what waits is looked at this often. */
const RETRY_MS = 60_000;

/** Gives each claim its volume: one that is there, or one that is made for it. */
export function startBinderController(context: ControllerContext): ControllerLoop {
  const { kube, informers, localPath } = context;
  const { claims, persistentVolumes, storageClasses, nodes } = informers;
  const recorder = context.recorder("persistentvolume-controller");

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const claim = claims.get(key);
    if (claim === undefined || claim.metadata?.deletionTimestamp !== undefined) return {};
    const { volumeName = "" } = claim.spec ?? {};
    if (volumeName !== "") return followVolume(claim, volumeName, signal);
    const reserved = persistentVolumes.list().find((volume) => isReservedFor(volume, claim));
    if (reserved !== undefined) return bindIfFits(claim, reserved, signal);
    return findVolume(claim, signal);
  }

  /** Somebody, or we, said which volume it is. */
  async function followVolume(
    claim: PersistentVolumeClaim,
    name: string,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const volume = persistentVolumes.get(name);
    const completed = claim.metadata?.annotations?.[BIND_COMPLETED] !== undefined;
    if (volume === undefined || (volume.spec?.claimRef !== undefined && !isReservedFor(volume, claim))) {
      if (completed && claim.status?.phase !== "Lost") await lose(claim, volume === undefined, signal);
      return { requeueAfterMs: RETRY_MS };
    }
    await bind(claim, volume, signal);
    return {};
  }

  async function lose(claim: PersistentVolumeClaim, isGone: boolean, signal: AbortSignal): Promise<void> {
    const [reason, message] = isGone
      ? ["ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"]
      : ["ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly"];
    // Absence is not believed of a cache.
    if (isGone && (await exists(claim.spec?.volumeName ?? "", signal))) return;
    recorder.record(PERSISTENT_VOLUME_CLAIMS, claim, "Warning", reason, message);
    await writeStatus(claim, { phase: "Lost" }, signal);
  }

  async function exists(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      await kube.get(PERSISTENT_VOLUMES, { name }, signal);
      return true;
    } catch (error) {
      if (hasCode(error, "NotFound")) return false;
      throw error;
    }
  }

  async function bindIfFits(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    if (matchVolume(claim, [volume], undefined) === undefined) {
      const message = `volume "${volume.metadata?.name}" names this claim, but it is too small, or of another mode or class`;
      recorder.record(PERSISTENT_VOLUME_CLAIMS, claim, "Warning", "VolumeMismatch", message);
      return { requeueAfterMs: RETRY_MS };
    }
    await bind(claim, volume, signal);
    return {};
  }

  async function findVolume(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<ReconcileResult> {
    const { storageClassName = "" } = claim.spec ?? {};
    const storageClass = storageClassName === "" ? undefined : storageClasses.get(storageClassName);
    const waits = storageClass?.volumeBindingMode === WAIT_FOR_CONSUMER;
    const selected = claim.metadata?.annotations?.[SELECTED_NODE];
    if (waits && selected === undefined) {
      tell(claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
      return {};
    }
    const node: Node | undefined = selected === undefined ? undefined : nodes.get(selected);
    const volume = matchVolume(claim, persistentVolumes.list(), node);
    if (volume !== undefined) {
      await bind(claim, volume, signal);
      return {};
    }
    return makeVolume(claim, storageClass, selected, signal);
  }

  async function makeVolume(
    claim: PersistentVolumeClaim,
    storageClass: StorageClass | undefined,
    selected: string | undefined,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    const { storageClassName = "" } = claim.spec ?? {};
    if (storageClass === undefined || storageClass.provisioner === NO_PROVISIONER) {
      if (storageClassName !== "" && storageClass === undefined)
        tell(claim, "Warning", "ProvisioningFailed", `storageclass.storage.k8s.io "${storageClassName}" not found`);
      else
        tell(
          claim,
          "Normal",
          "FailedBinding",
          "no persistent volumes available for this claim and no storage class is set",
        );
      return { requeueAfterMs: RETRY_MS };
    }
    if (storageClass.provisioner !== LOCAL_PATH_PROVISIONER || localPath === undefined)
      return askProvisioner(claim, storageClass.provisioner, signal);
    const volumeMode = claim.spec?.volumeMode ?? "Filesystem";
    try {
      if (volumeMode !== "Filesystem") throw new Error(`${LOCAL_PATH_PROVISIONER} makes directories, not devices`);
      // Who does not wait for its pod gets it here: there is no other place.
      const made = await provisionLocalPath(claim, storageClass, selected ?? localPath.nodeName, localPath);
      const volume = await kube.create(PERSISTENT_VOLUMES, made, signal).catch((error: unknown) => {
        if (!hasCode(error, "AlreadyExists")) throw error;
        return kube.get(PERSISTENT_VOLUMES, { name: made.metadata?.name ?? "" }, signal);
      });
      const message = `Successfully provisioned volume ${volume.metadata?.name}`;
      recorder.record(PERSISTENT_VOLUME_CLAIMS, claim, "Normal", "ProvisioningSucceeded", message);
      await bind(claim, volume, signal);
      return {};
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, "Conflict") || hasCode(error, "NotFound")) throw error;
      recorder.record(PERSISTENT_VOLUME_CLAIMS, claim, "Warning", "ProvisioningFailed", toError(error).message);
      // So that another node may be chosen.
      if (selected !== undefined) await annotate(claim, { [SELECTED_NODE]: null }, signal);
      return { requeueAfterMs: RETRY_MS };
    }
  }

  async function askProvisioner(claim: PersistentVolumeClaim, provisioner: string, signal: AbortSignal) {
    if (claim.metadata?.annotations?.[STORAGE_PROVISIONER] !== provisioner)
      await annotate(claim, { [STORAGE_PROVISIONER]: provisioner }, signal);
    tell(
      claim,
      "Normal",
      "ExternalProvisioning",
      `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
    );
    return { requeueAfterMs: RETRY_MS };
  }

  /** First the volume, so that no other claim gets it; each step may have been done before. */
  async function bind(claim: PersistentVolumeClaim, found: PersistentVolume, signal: AbortSignal): Promise<void> {
    const { namespace = "", name = "", uid = "", resourceVersion = "" } = claim.metadata ?? {};
    let volume = found;
    if (volume.spec?.claimRef?.uid !== uid) {
      const claimRef = { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid, resourceVersion };
      const annotations = { ...volume.metadata?.annotations };
      if (volume.spec?.claimRef === undefined) annotations[BOUND_BY_CONTROLLER] = "yes";
      // With its version: two claims must not both get it.
      volume = await kube.update(
        PERSISTENT_VOLUMES,
        { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef } },
        signal,
      );
    }
    if (volume.status?.phase !== "Bound")
      volume = await kube.update(
        PERSISTENT_VOLUMES,
        { ...volume, status: { ...volume.status, phase: "Bound" } },
        signal,
        { subresource: "status" },
      );
    let bound = claim;
    const volumeName = volume.metadata?.name ?? "";
    if (claim.spec?.volumeName !== volumeName || claim.metadata?.annotations?.[BIND_COMPLETED] === undefined) {
      const annotations: Record<string, string> = { ...claim.metadata?.annotations, [BIND_COMPLETED]: "yes" };
      if (claim.spec?.volumeName !== volumeName) annotations[BOUND_BY_CONTROLLER] = "yes";
      bound = await kube.update(
        PERSISTENT_VOLUME_CLAIMS,
        { ...claim, metadata: { ...claim.metadata, annotations }, spec: { ...claim.spec, volumeName } },
        signal,
      );
    }
    if (bound.status?.phase === "Bound") return;
    const { accessModes = [], capacity = {} } = volume.spec ?? {};
    await writeStatus(bound, { phase: "Bound", accessModes, capacity }, signal);
  }

  async function writeStatus(
    claim: PersistentVolumeClaim,
    status: NonNullable<PersistentVolumeClaim["status"]>,
    signal: AbortSignal,
  ): Promise<void> {
    const options = { subresource: "status" };
    await kube.update(PERSISTENT_VOLUME_CLAIMS, { ...claim, status: { ...claim.status, ...status } }, signal, options);
  }

  async function annotate(
    claim: PersistentVolumeClaim,
    annotations: Readonly<Record<string, string | null>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name = "" } = claim.metadata ?? {};
    await kube.patch(
      PERSISTENT_VOLUME_CLAIMS,
      { namespace, name },
      { type: "merge", body: { metadata: { annotations } } },
      signal,
    );
  }

  function tell(claim: PersistentVolumeClaim, type: "Normal" | "Warning", reason: string, message: string): void {
    recorder.record(PERSISTENT_VOLUME_CLAIMS, claim, type, reason, message);
  }

  const caches = [claims, persistentVolumes, storageClasses, nodes];
  const loop = new ControllerLoop("persistentvolume-binder", context, caches, reconcile);
  const waiting = () => claims.list().filter(({ status }) => status?.phase !== "Bound");
  loop.on(claims, (_, claim) => (claim === undefined ? [] : [keyOf(claim)]));
  loop.on(persistentVolumes, (old, volume) => {
    const { namespace, name } = (volume ?? old)?.spec?.claimRef ?? {};
    const named = name === undefined ? [] : [`${namespace}/${name}`];
    return [...named, ...waiting().map(keyOf)];
  });
  loop.on(storageClasses, () => waiting().map(keyOf));
  return loop;
}
