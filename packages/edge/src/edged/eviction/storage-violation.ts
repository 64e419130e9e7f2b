import type { Pod } from "@kedge/kube";
import { amountsOf, podLimits } from "../resources/pod-resources.ts";
import { formatBytes, quantityValue } from "../resources/quantity.ts";
import { valueOf } from "../resources/cgroup-values.ts";
import { ALL_PARTS, diskUsage, type PodUsage } from "./pod-usage.ts";

const STORAGE = "ephemeral-storage";

/** Whether something bounds what the pod may write: only then must it be measured. */
export function hasStorageLimit(pod: Pod): boolean {
  return diskVolumes(pod).some(({ sizeLimit }) => sizeLimit > 0) || hasContainerStorageLimit(pod);
}

export function hasContainerStorageLimit(pod: Pod): boolean {
  return (pod.spec?.containers ?? []).some(({ resources }) => (amountsOf(resources?.limits).get(STORAGE) ?? 0n) > 0n);
}

/** The pod's volumes whose files lie on the node's disk, with their limit in bytes; 0: none. */
export function diskVolumes(pod: Pod): { readonly name: string; readonly sizeLimit: number; readonly text: string }[] {
  return (pod.spec?.volumes ?? []).flatMap(({ name, emptyDir }) => {
    if (emptyDir === undefined || (emptyDir.medium ?? "") !== "") return []; // the kernel bounds those in memory
    const text = emptyDir.sizeLimit ?? "";
    return [{ name, sizeLimit: text === "" ? 0 : quantityValue(text), text }];
  });
}

/**
 * Why the pod must go for what it has written; `undefined`: it keeps to its limits.
 *
 * @param separateImages what containers write lies on another file system, and does not count here.
 */
export function storageViolation(pod: Pod, usage: PodUsage, separateImages: boolean): string | undefined {
  for (const { name, sizeLimit, text } of diskVolumes(pod))
    if (sizeLimit > 0 && (usage.volumes.get(name)?.bytes ?? 0) > sizeLimit)
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${text}". `;

  const limit = podLimits(pod).get(STORAGE);
  if (limit !== undefined && limit > 0n && diskUsage(usage, ALL_PARTS).bytes > valueOf(limit))
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${formatBytes(valueOf(limit))}. `;

  for (const { name, logBytes, rootBytes } of usage.containers) {
    const text = pod.spec?.containers.find((container) => container.name === name)?.resources?.limits?.[STORAGE];
    const bytes = text === undefined ? 0 : quantityValue(text);
    if (bytes > 0 && logBytes + (separateImages ? 0 : rootBytes) > bytes)
      return `Container ${name} exceeded its local ephemeral storage limit "${text}". `;
  }
  return undefined;
}
