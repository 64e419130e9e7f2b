import type { Stats } from "node:fs";
import { chmod, chown, mkdir, rename, rm, stat } from "node:fs/promises";
import type { Pod, Volume } from "@kedge/kube";
import type { Allocatable } from "../env/container-resource-value.ts";
import { amountsOf, podLimits } from "../resources/pod-resources.ts";
import { quantityValue } from "../resources/quantity.ts";
import { valueOf } from "../resources/cgroup-values.ts";
import { mountFilesystem, mountPointsBelow, mountTmpfs } from "./run-mount.ts";
import { VolumeError } from "./volume-error.ts";

/** Everybody may write; what is made in a pod's group's directory belongs to that group. */
const MODE = { everybody: 0o777, group: 0o2777 };
/** In memory, as on any shared scratch directory, nobody may remove others' files. */
const STICKY = 0o1000;

/**
 * Makes a directory that every user may write to, unless it is there: it appears when it is complete, and from then on
 * its mode and owner are the containers' business.
 *
 * @param group the pod's `fsGroup`.
 */
export async function ensureDirectory(directory: string, group: number | undefined): Promise<void> {
  if ((await statOf(directory)) !== undefined) return;
  const unfinished = `${directory}~unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o750 });
  if (group !== undefined) await chown(unfinished, -1, group);
  await chmod(unfinished, group === undefined ? MODE.everybody : MODE.group);
  await rename(unfinished, directory);
}

/** As {@link ensureDirectory}, in memory. @param sizeBytes 0: the kernel's default. */
export async function ensureTmpfs(
  directory: string,
  sizeBytes: number,
  group: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o750 });
  if ((await mountPointsBelow(directory)).includes(directory)) return;
  const mode = (group === undefined ? MODE.everybody : MODE.group) | STICKY;
  const owner = group === undefined ? [] : [`gid=${group}`];
  const size = sizeBytes > 0 ? [`size=${sizeBytes}`] : [];
  await mountTmpfs(directory, [`mode=${mode.toString(8)}`, ...owner, ...size], signal);
}

const HUGE_PAGES = "HugePages";

/** What the node has reserved of pages of one size; how much a container may take of it, its limits say. */
async function ensureHugePages(
  directory: string,
  pageSizeBytes: number,
  group: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o750 });
  if ((await mountPointsBelow(directory)).includes(directory)) return;
  const mode = group === undefined ? MODE.everybody : MODE.group;
  const owner = group === undefined ? [] : [`gid=${group}`];
  const options = [`pagesize=${pageSizeBytes}`, `mode=${mode.toString(8)}`, ...owner];
  await mountFilesystem("hugetlbfs", "nodev", directory, options, signal);
}

/** `HugePages-2Mi` names the size; `HugePages` takes the one that the pod's containers ask for. */
export function pageBytes(pod: Pod, volume: Volume): number {
  const named = volume.emptyDir?.medium?.slice(HUGE_PAGES.length + 1) ?? "";
  if (named !== "") return quantityValue(named);
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const asked = containers.flatMap(({ resources }) => Object.keys({ ...resources?.requests, ...resources?.limits }));
  const sizes = new Set(asked.filter((name) => name.startsWith("hugepages-")).map((name) => name.slice(10)));
  const [size] = sizes;
  if (size !== undefined && sizes.size === 1) return quantityValue(size);
  throw new VolumeError(
    `emptyDir ${volume.name} with medium HugePages: the pod's containers must ask for huge pages of one size, not ${sizes.size}`,
    { code: "InvalidVolume", volume: volume.name },
  );
}

/** @throws VolumeError */
export async function ensureEmptyDir(
  pod: Pod,
  volume: Volume,
  directory: string,
  allocatable: Allocatable,
  signal: AbortSignal,
): Promise<void> {
  const group = pod.spec?.securityContext?.fsGroup;
  const medium = volume.emptyDir?.medium ?? "";
  if (medium === "") return ensureDirectory(directory, group);
  if (medium.startsWith(HUGE_PAGES)) return ensureHugePages(directory, pageBytes(pod, volume), group, signal);
  if (medium !== "Memory")
    throw new VolumeError(`emptyDir with medium ${medium} is not known on this node`, {
      code: "VolumeNotSupported",
      volume: volume.name,
    });
  return ensureTmpfs(directory, memorySizeBytes(pod, volume, allocatable), group, signal);
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

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined; // not there
  }
}
