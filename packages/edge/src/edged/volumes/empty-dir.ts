import { chmod, mkdir } from "node:fs/promises";
import type { Pod, Volume } from "@kedge/kube";
import type { Allocatable } from "../env/container-resource-value.ts";
import { amountsOf, podLimits } from "../resources/pod-resources.ts";
import { quantityValue } from "../resources/quantity.ts";
import { valueOf } from "../resources/cgroup-values.ts";
import { mountPointsBelow, mountTmpfs } from "./run-mount.ts";
import { VolumeError } from "./volume-error.ts";

/** Makes a directory that every user may write to, on disk or in memory. @returns whether it is new. */
export async function ensureDirectory(directory: string): Promise<boolean> {
  const made = await mkdir(directory, { recursive: true, mode: 0o750 });
  if (made === undefined) return false;
  await chmod(directory, 0o777);
  return true;
}

/** Mounts memory there unless that was done before. @param sizeBytes 0: the kernel's default. @returns whether it is new. */
export async function ensureTmpfs(directory: string, sizeBytes: number, signal: AbortSignal): Promise<boolean> {
  await ensureDirectory(directory);
  if ((await mountPointsBelow(directory)).includes(directory)) return false;
  await mountTmpfs(directory, ["mode=1777", ...(sizeBytes > 0 ? [`size=${sizeBytes}`] : [])], signal);
  return true;
}

/** @returns whether the volume is new. @throws VolumeError */
export async function ensureEmptyDir(
  pod: Pod,
  volume: Volume,
  directory: string,
  allocatable: Allocatable,
  signal: AbortSignal,
): Promise<boolean> {
  const medium = volume.emptyDir?.medium ?? "";
  if (medium === "") return ensureDirectory(directory);
  if (medium !== "Memory")
    throw new VolumeError(`emptyDir with medium ${medium} is not supported yet on this node`, {
      code: "VolumeNotSupported",
      volume: volume.name,
    });
  return ensureTmpfs(directory, memorySizeBytes(pod, volume, allocatable), signal);
}

/** The least of what the volume, the pod and the node allow. */
export function memorySizeBytes(pod: Pod, volume: Volume, allocatable: Allocatable): number {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const allLimited = containers.every(({ resources }) => (amountsOf(resources?.limits).get("memory") ?? 0n) > 0n);
  const bounds = [
    quantityValue(volume.emptyDir?.sizeLimit),
    allLimited ? valueOf(podLimits(pod).get("memory")) : 0,
    quantityValue(allocatable["memory"]),
  ].filter((bytes) => bytes > 0);
  return bounds.length === 0 ? 0 : Math.min(...bounds);
}
