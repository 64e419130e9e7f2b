import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerStats } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import type { EdgedParts } from "../edged-parts.ts";
import { parseCgroupHierarchies } from "../resources/cgroup-hierarchies.ts";
import { identityOf, podLogDirectory } from "../runtime/container-logs.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import { volumeDirectory } from "../volumes/pod-directory.ts";
import { directoryUsage } from "./directory-usage.ts";
import type { ContainerUsage, PodUsage, VolumeUsage } from "./pod-usage.ts";
import { diskVolumes } from "./storage-violation.ts";

/** A pod that runs here, and what the runtime last said of it. */
export interface ActivePod {
  readonly pod: Pod;
  readonly runtime: RuntimePod;
}

/** What a question about pods needs to know: each costs something. */
export interface Measure {
  readonly memory: boolean;
  readonly disk: boolean;
  readonly processes: boolean;
}

/** Asks runtime, file systems and kernel what these pods take. @returns by uid. */
export async function measurePods(
  pods: readonly ActivePod[],
  measure: Measure,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<Map<string, PodUsage>> {
  const stats = new Map<string, ContainerStats>();
  if (measure.memory || measure.disk)
    for (const one of await parts.cri.runtime.listContainerStats(signal)) stats.set(one.attributes?.id ?? "", one);
  const pidsRoot = measure.processes ? await pidsMountPoint() : undefined;
  const usages = new Map<string, PodUsage>();
  for (const active of pods) {
    const uid = active.pod.metadata?.uid ?? "";
    const containers = await containersOf(active, stats, measure, parts, signal);
    const memory = containers.map(({ memoryBytes }) => memoryBytes).filter((bytes) => bytes !== undefined);
    usages.set(uid, {
      containers,
      memoryBytes: memory.length === 0 ? undefined : memory.reduce((sum, bytes) => sum + bytes, 0),
      processes: pidsRoot === undefined ? undefined : await processesOf(active.pod, pidsRoot, parts),
      volumes: measure.disk ? await volumesOf(active.pod, parts, signal) : new Map(),
    });
  }
  return usages;
}

async function containersOf(
  { pod, runtime }: ActivePod,
  stats: ReadonlyMap<string, ContainerStats>,
  { disk }: Measure,
  { config }: EdgedParts,
  signal: AbortSignal,
): Promise<ContainerUsage[]> {
  const logs = podLogDirectory(config.podLogsDirectory, identityOf(pod));
  const usages: ContainerUsage[] = [];
  for (const name of new Set(runtime.containers.map((container) => container.name))) {
    const mine = runtime.containers.filter((container) => container.name === name).map(({ id }) => stats.get(id));
    const running = mine.find((one) => one?.memory?.workingSetBytes !== undefined);
    const log = disk ? await directoryUsage(join(logs, name), signal) : NOTHING;
    const [newest] = mine;
    usages.push({
      name,
      memoryBytes: numberOf(running?.memory?.workingSetBytes?.value),
      rootBytes: numberOf(newest?.writableLayer?.usedBytes?.value) ?? 0,
      rootInodes: numberOf(newest?.writableLayer?.inodesUsed?.value) ?? 0,
      logBytes: log.bytes,
      logInodes: log.inodes,
    });
  }
  return usages;
}

const NOTHING: VolumeUsage = { bytes: 0, inodes: 0 };

async function volumesOf(
  pod: Pod,
  { config }: EdgedParts,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, VolumeUsage>> {
  const usages = new Map<string, VolumeUsage>();
  for (const { name } of diskVolumes(pod)) {
    const directory = volumeDirectory(config.rootDirectory, pod.metadata?.uid ?? "", "empty-dir", name);
    usages.set(name, await directoryUsage(directory, signal));
  }
  return usages;
}

async function processesOf(pod: Pod, pidsRoot: string, { cgroups }: EdgedParts): Promise<number | undefined> {
  if (cgroups === undefined) return undefined;
  const text = await readFile(join(pidsRoot, cgroups.cgroupParentOf(pod), "pids.current"), "utf8").catch(() => "");
  return text === "" ? undefined : Number(text);
}

async function pidsMountPoint(): Promise<string | undefined> {
  const hierarchies = parseCgroupHierarchies(await readFile("/proc/self/mountinfo", "utf8"));
  return hierarchies.find(
    ({ version, controllers, idle }) => idle !== true && (version === 2 || controllers.includes("pids")),
  )?.mountPoint;
}

function numberOf(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
