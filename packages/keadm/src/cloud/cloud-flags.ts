import type { KubeObject } from "@kedge/kube";
import { KeadmError } from "../keadm-error.ts";
import { type ChartValues, chartValues } from "./chart-values.ts";
import { cloudCoreObjects } from "./cloudcore-objects.ts";
import { crdObjects, readObjects } from "./manifest-files.ts";

/** The flags that `init`, `manifest` and `upgrade cloud` share, as commander hands them over. */
export interface CloudFlags {
  kubeConfig?: string;
  kubeedgeVersion?: string;
  advertiseAddress?: string;
  imageRepository?: string;
  set: string[];
  profile: string[];
  files: string[];
  externalHelmRoot?: string;
  manifests?: string;
  skipCrds: boolean;
}

export interface Rendered {
  readonly values: ChartValues;
  readonly objects: readonly KubeObject[];
  readonly warnings: readonly string[];
  /** What was given, without defaults. */
  readonly given: object;
}

/** @param base values to begin with. @throws KeadmError */
export function renderCloud(flags: CloudFlags, base: object = {}): Rendered {
  if (flags.externalHelmRoot !== undefined)
    throw new KeadmError(
      "NotSupported",
      "--external-helm-root",
      "--external-helm-root is not supported, as keadm renders its own objects: render the chart with helm template and give the file with -f",
    );
  const { values, given, warnings } = chartValues({
    base,
    profiles: flags.profile,
    sets: flags.set,
    ...(flags.kubeedgeVersion !== undefined && { version: flags.kubeedgeVersion }),
    ...(flags.imageRepository !== undefined && { imageRepository: flags.imageRepository }),
    ...(flags.advertiseAddress !== undefined && { advertiseAddress: flags.advertiseAddress }),
  });
  const files = [...flags.files, ...(flags.manifests === undefined ? [] : [flags.manifests])];
  // FIX: KubeEdge takes --files and --manifests, and does nothing with them.
  const extra = files.flatMap((list) => list.split(",").filter((file) => file !== "")).flatMap(readObjects);
  const crds = flags.skipCrds ? [] : crdObjects();
  return { values, given, warnings, objects: [...crds, ...cloudCoreObjects(values, given), ...extra] };
}
