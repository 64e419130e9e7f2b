import type {
  HostPathVolumeSource,
  LocalVolumeSource,
  NFSVolumeSource,
  Node,
  PersistentVolume,
  Pod,
  Volume,
} from "@kedge/kube";
import type { EdgeBus } from "../../edge-messages.ts";
import { boundCsiVolume, type CsiVolume, inlineCsiVolume } from "../csi/csi-volume.ts";
import { claimedVolume } from "./claimed-volume.ts";
import { VolumeError } from "./volume-error.ts";

interface Common {
  readonly readOnly: boolean;
  /** The pod gets a device, not a file system. */
  readonly block: boolean;
}

/** How a volume of a pod is made here, with what stands behind its claim. `files`: we write them, and nobody else may. */
export type ResolvedVolume = Common &
  (
    | { readonly kind: "hostPath"; readonly source: HostPathVolumeSource }
    | { readonly kind: "emptyDir"; readonly directory: "empty-dir"; readonly name: string }
    | {
        readonly kind: "files";
        readonly directory: "configmap" | "secret" | "downward-api" | "projected";
        readonly name: string;
      }
    | {
        readonly kind: "local";
        readonly directory: "local-volume";
        readonly name: string;
        readonly source: LocalVolumeSource;
        readonly mountOptions: readonly string[];
      }
    | {
        readonly kind: "nfs";
        readonly directory: "nfs";
        readonly name: string;
        readonly source: NFSVolumeSource;
        readonly mountOptions: readonly string[];
      }
    | { readonly kind: "csi"; readonly directory: "csi"; readonly name: string; readonly csi: CsiVolume }
  );

/** What needs nobody's answer. @returns `undefined`: a claim stands between. @throws VolumeError `VolumeNotSupported` */
export function directVolume(pod: Pod, volume: Volume): ResolvedVolume | undefined {
  const { name } = volume;
  const plain = { readOnly: false, block: false };
  if (volume.hostPath !== undefined) return { ...plain, kind: "hostPath", source: volume.hostPath };
  if (volume.configMap !== undefined) return { ...plain, kind: "files", directory: "configmap", name };
  if (volume.secret !== undefined) return { ...plain, kind: "files", directory: "secret", name };
  if (volume.downwardAPI !== undefined) return { ...plain, kind: "files", directory: "downward-api", name };
  if (volume.projected !== undefined) return { ...plain, kind: "files", directory: "projected", name };
  if (volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined) return undefined;
  if (volume.csi !== undefined) {
    const csi = inlineCsiVolume(pod, name, volume.csi);
    return { readOnly: csi.readOnly, block: false, kind: "csi", directory: "csi", name, csi };
  }
  if (volume.nfs !== undefined) {
    const readOnly = volume.nfs.readOnly === true;
    return { readOnly, block: false, kind: "nfs", directory: "nfs", name, source: volume.nfs, mountOptions: [] };
  }
  const type = Object.keys(volume).find((member) => member !== "name");
  // A volume without any source is an empty directory, as in the API.
  if (type === undefined || type === "emptyDir") return { ...plain, kind: "emptyDir", directory: "empty-dir", name };
  const why =
    type === "image"
      ? "image volumes need a runtime that can mount images (containerd 2.1 or later), and this node does not use that yet"
      : `volumes of type ${type} are not supported on this node`;
  throw new VolumeError(why, { code: "VolumeNotSupported", volume: name });
}

/** @throws VolumeError */
export async function resolveVolume(
  pod: Pod,
  volume: Volume,
  node: Node | undefined,
  bus: EdgeBus,
  signal: AbortSignal,
): Promise<ResolvedVolume> {
  const direct = directVolume(pod, volume);
  if (direct !== undefined) return direct;
  const { persistentVolumeClaim } = volume;
  const claimName = persistentVolumeClaim?.claimName ?? `${pod.metadata?.name}-${volume.name}`;
  const isEphemeral = persistentVolumeClaim === undefined;
  const bound = await claimedVolume(pod, claimName, isEphemeral, node, bus, signal);
  const readOnly = persistentVolumeClaim?.readOnly === true;
  const block = bound.volume.spec?.volumeMode === "Block";
  const csi = boundCsiVolume(bound.volume, bound.claim, readOnly);
  if (csi !== undefined) return { readOnly: csi.readOnly, block, kind: "csi", directory: "csi", name: csi.name, csi };
  return persistentVolume(bound.volume, { readOnly, block });
}

function persistentVolume({ metadata, spec }: PersistentVolume, common: Common): ResolvedVolume {
  const { name = "" } = metadata ?? {};
  const { hostPath, local, nfs, mountOptions = [] } = spec ?? {};
  if (hostPath !== undefined && !common.block) return { ...common, kind: "hostPath", source: hostPath };
  if (local !== undefined)
    return { ...common, kind: "local", directory: "local-volume", name, source: local, mountOptions };
  if (nfs !== undefined && !common.block) {
    const readOnly = common.readOnly || nfs.readOnly === true;
    return { ...common, readOnly, kind: "nfs", directory: "nfs", name, source: nfs, mountOptions };
  }
  const notSources = new Set([
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
  ]);
  const type = Object.keys(spec ?? {}).find((member) => !notSources.has(member));
  const mode = common.block ? " with volumeMode Block" : "";
  throw new VolumeError(
    `PersistentVolume ${name} of type ${type}${mode} is not supported on this node: it knows hostPath, local, nfs and csi`,
    { code: "VolumeNotSupported" },
  );
}
