import type { CSIVolumeSource, ObjectKey, PersistentVolume, PersistentVolumeClaim, Pod } from "@kedge/kube";
import { ephemeralHandle } from "./volume-data.ts";

/** A pod's volume of a CSI driver, whichever way the pod names it. */
export interface CsiVolume {
  /** Of the directory below `kubernetes.io~csi`: the PersistentVolume's, or the pod's volume's. */
  readonly name: string;
  readonly driver: string;
  readonly handle: string;
  /** `Ephemeral`: the pod names it itself, and it ends with the pod. */
  readonly lifecycle: "Persistent" | "Ephemeral";
  /** Empty: the driver decides. */
  readonly fsType: string;
  readonly readOnly: boolean;
  readonly attributes: Readonly<Record<string, string>>;
  readonly accessModes: readonly string[];
  readonly mountOptions: readonly string[];
  readonly publishSecret: ObjectKey | undefined;
  readonly stageSecret: ObjectKey | undefined;
  readonly expandSecret: ObjectKey | undefined;
  /** What the PersistentVolume shall hold, and what its claim says it holds, as quantities. */
  readonly capacity:
    | { readonly wanted: string; readonly present: string; readonly claim: ObjectKey; readonly claimUid: string }
    | undefined;
}

/** A volume that the pod itself describes. */
export function inlineCsiVolume(pod: Pod, name: string, source: CSIVolumeSource): CsiVolume {
  const { namespace = "", uid = "" } = pod.metadata ?? {};
  const secret = source.nodePublishSecretRef?.name;
  return {
    name,
    driver: source.driver,
    handle: ephemeralHandle(uid, name),
    lifecycle: "Ephemeral",
    fsType: source.fsType ?? "",
    readOnly: source.readOnly ?? false,
    attributes: source.volumeAttributes ?? {},
    accessModes: ["ReadWriteOnce"],
    mountOptions: [],
    publishSecret: secret === undefined ? undefined : { namespace, name: secret },
    stageSecret: undefined,
    expandSecret: undefined,
    capacity: undefined,
  };
}

/** What a claim is bound to. @returns `undefined`: not a CSI volume. */
export function boundCsiVolume(
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
  readOnly: boolean,
): CsiVolume | undefined {
  const { csi, accessModes = [], mountOptions = [], capacity } = volume.spec ?? {};
  if (csi === undefined) return undefined;
  const wanted = capacity?.["storage"];
  const present = claim.status?.capacity?.["storage"];
  return {
    name: volume.metadata?.name ?? "",
    driver: csi.driver,
    handle: csi.volumeHandle,
    lifecycle: "Persistent",
    fsType: csi.fsType ?? "",
    readOnly: readOnly || csi.readOnly === true,
    attributes: csi.volumeAttributes ?? {},
    accessModes,
    mountOptions,
    publishSecret: keyOf(csi.nodePublishSecretRef),
    stageSecret: keyOf(csi.nodeStageSecretRef),
    expandSecret: keyOf(csi.nodeExpandSecretRef),
    capacity:
      wanted === undefined || present === undefined
        ? undefined
        : { wanted, present, claim: keyOf(claim.metadata) ?? { name: "" }, claimUid: claim.metadata?.uid ?? "" },
  };
}

function keyOf(reference: { readonly name?: string; readonly namespace?: string } | undefined): ObjectKey | undefined {
  return reference?.name === undefined ? undefined : { namespace: reference.namespace, name: reference.name };
}
