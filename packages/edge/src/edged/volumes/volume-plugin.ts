import type { Volume } from "@kedge/kube";
import { VolumeError } from "./volume-error.ts";

/** How a volume is made here. `files`: we write its files, and nobody else may. */
export type VolumePlugin =
  | { readonly kind: "hostPath" }
  | { readonly kind: "emptyDir"; readonly directory: "empty-dir" }
  | { readonly kind: "files"; readonly directory: "configmap" | "secret" | "downward-api" | "projected" };

/** @throws VolumeError `VolumeNotSupported` for a type that this node cannot make. */
export function pluginOf(volume: Volume): VolumePlugin {
  if (volume.hostPath !== undefined) return { kind: "hostPath" };
  if (volume.configMap !== undefined) return { kind: "files", directory: "configmap" };
  if (volume.secret !== undefined) return { kind: "files", directory: "secret" };
  if (volume.downwardAPI !== undefined) return { kind: "files", directory: "downward-api" };
  if (volume.projected !== undefined) return { kind: "files", directory: "projected" };
  const type = Object.keys(volume).find((member) => member !== "name");
  // A volume without any source is an empty directory, as in the API.
  if (type === undefined || type === "emptyDir") return { kind: "emptyDir", directory: "empty-dir" };
  throw new VolumeError(`volumes of type ${type} are not supported yet on this node`, {
    code: "VolumeNotSupported",
    volume: volume.name,
  });
}
