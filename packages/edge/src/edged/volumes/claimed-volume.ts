import {
  controllerOf,
  matchesNodeSelector,
  type Node,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
} from "@kedge/kube";
import { toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { VolumeError } from "./volume-error.ts";

export interface BoundClaim {
  readonly claim: PersistentVolumeClaim;
  readonly volume: PersistentVolume;
}

/**
 * What a pod's claim is bound to.
 *
 * @param ephemeral the claim was made for this pod alone, and must belong to it.
 * @param node `undefined`: not known; then the volume's node affinity is not looked at.
 * @throws VolumeError in a kubelet's words: `ClaimNotReady`, `InvalidVolume`
 */
export async function claimedVolume(
  pod: Pod,
  claimName: string,
  ephemeral: boolean,
  node: Node | undefined,
  bus: EdgeBus,
  signal: AbortSignal,
): Promise<BoundClaim> {
  const { namespace = "", name: podName, uid } = pod.metadata ?? {};
  const where = `${namespace}/${claimName}`;
  const claim = await known(`PVC ${where}`, bus.request("meta/getVolumeClaim", { namespace, name: claimName }, signal));
  if (claim === undefined) throw notReady(`persistentvolumeclaim "${claimName}" not found`);
  if (ephemeral && controllerOf(claim)?.uid !== uid)
    throw notReady(`PVC ${where} was not created for pod ${namespace}/${podName} (pod is not owner)`);
  if (claim.metadata?.deletionTimestamp !== undefined) throw notReady(`PVC ${where} is being deleted`);
  const { volumeName = "" } = claim.spec ?? {};
  if (claim.status?.phase !== "Bound" || volumeName === "") throw notReady(`PVC ${where} is not bound`);

  const volume = await known(`PV ${volumeName}`, bus.request("meta/getVolume", { name: volumeName }, signal));
  if (volume === undefined) throw notReady(`persistentvolume "${volumeName}" of PVC ${where} not found`);
  if (volume.spec?.claimRef?.uid !== claim.metadata?.uid)
    throw notReady(`PV ${volumeName} is not bound to PVC ${where}: they name each other no more`);
  const required = volume.spec?.nodeAffinity?.required;
  if (required !== undefined && node !== undefined && !matchesNodeSelector(required, node))
    throw new VolumeError(`NodeAffinity check failed: PV ${volumeName} cannot be used on node ${node.metadata?.name}`, {
      code: "InvalidVolume",
    });
  return { claim, volume };
}

async function known<T>(what: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    const why = toError(error).message;
    throw new VolumeError(
      `${what} is not stored on this node and could not be fetched: ${why}`,
      { code: "VolumeSourceMissing" },
      { cause: error },
    );
  }
}

function notReady(message: string): VolumeError {
  return new VolumeError(message, { code: "ClaimNotReady" });
}
