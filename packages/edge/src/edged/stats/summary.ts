import { readFile } from "node:fs/promises";
import { uptime } from "node:os";
import { join } from "node:path";
import type { CriClient } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { directoryUsage } from "../eviction/directory-usage.ts";
import { diskVolumes } from "../eviction/storage-violation.ts";
import { identityOf, podLogDirectory } from "../runtime/container-logs.ts";
import { volumeDirectory } from "../volumes/pod-directory.ts";
import type { ContainerUsage, NodeUsage, PodUsage, Usage } from "./collect-usage.ts";
import { type FilesystemUsage, filesystemUsage } from "./filesystem-usage.ts";
import { type InterfaceUsage, mainInterface } from "./network-usage.ts";

export interface SummarySources {
  readonly cri: CriClient;
  readonly nodeName: string;
  /** Where pods' files live. */
  readonly rootDirectory: string;
  readonly podLogsDirectory: string;
}

/** The kubelet's Summary API, as `/stats/summary` has it. */
export async function summaryOf(
  usage: NodeUsage,
  sources: SummarySources,
  { onlyCpuAndMemory }: { readonly onlyCpuAndMemory: boolean },
  signal: AbortSignal,
): Promise<object> {
  const { node, allPods, interfaces, pods } = usage;
  const time = timeOf(node.atMs);
  const startTime = timeOf(Date.now() - uptime() * 1000);
  const disk = onlyCpuAndMemory ? undefined : await filesystemUsage(sources.rootDirectory, time);
  return {
    node: {
      nodeName: sources.nodeName,
      systemContainers: [
        ...(allPods === undefined ? [] : [{ name: "pods", startTime, ...cpuAndMemory(allPods) }]),
        { name: "kubelet", startTime: timeOf(Date.now() - process.uptime() * 1000), ...ownUsage() },
      ],
      startTime,
      ...cpuAndMemory(node),
      ...(!onlyCpuAndMemory && {
        network: networkOf(interfaces, time),
        fs: disk,
        runtime: await imageFilesystem(sources, time, signal),
        rlimit: await processLimit(time),
      }),
    },
    pods: await Promise.all(pods.map((pod) => podSummary(pod, sources, onlyCpuAndMemory ? undefined : disk, signal))),
  };
}

async function podSummary(
  { pod, containers, usage, interfaces }: PodUsage,
  sources: SummarySources,
  disk: FilesystemUsage | undefined,
  signal: AbortSignal,
): Promise<object> {
  const { metadata, status } = pod;
  const time = timeOf(usage.atMs);
  const reference = { name: metadata?.name, namespace: metadata?.namespace, uid: metadata?.uid };
  const startTime = status?.startTime ?? metadata?.creationTimestamp;
  const files = disk === undefined ? undefined : await podFiles(pod, containers, sources, disk, signal);
  return {
    podRef: reference,
    startTime,
    containers: containers.map((container, index) => ({
      name: container.name,
      startTime: timeOf(container.startedAtMs),
      ...cpuAndMemory(container.usage),
      ...files?.containers[index],
    })),
    ...cpuAndMemory(usage),
    ...(disk !== undefined && interfaces !== undefined && { network: networkOf(interfaces, time) }),
    ...(files !== undefined && { volume: files.volumes, "ephemeral-storage": files.all }),
    ...(usage.processes !== undefined && { process_stats: { process_count: usage.processes } }),
  };
}

async function podFiles(
  pod: Pod,
  containers: readonly ContainerUsage[],
  { rootDirectory, podLogsDirectory }: SummarySources,
  disk: FilesystemUsage,
  signal: AbortSignal,
) {
  const within = (bytes: number, inodes: number) => ({ ...disk, usedBytes: bytes, inodesUsed: inodes });
  const logs = podLogDirectory(podLogsDirectory, identityOf(pod));
  let [bytes, inodes] = [0, 0];
  const add = (used: { readonly bytes: number; readonly inodes: number }) => {
    bytes += used.bytes;
    inodes += used.inodes;
    return within(used.bytes, used.inodes);
  };
  const ofContainers: object[] = [];
  for (const { name, written } of containers)
    ofContainers.push({
      ...(written !== undefined && { rootfs: add(written) }),
      logs: add(await directoryUsage(join(logs, name), signal)),
    });
  const volumes: object[] = [];
  for (const { name } of diskVolumes(pod)) {
    const directory = volumeDirectory(rootDirectory, pod.metadata?.uid ?? "", "empty-dir", name);
    volumes.push({ ...add(await directoryUsage(directory, signal)), name });
  }
  return { containers: ofContainers, volumes, all: within(bytes, inodes) };
}

function cpuAndMemory({ atMs, cpuNs, nanoCores, memory }: Usage): object {
  const time = timeOf(atMs);
  const { usageBytes, workingSetBytes, rssBytes, pageFaults, majorPageFaults, swapBytes } = memory;
  return {
    cpu: {
      time,
      ...(nanoCores !== undefined && { usageNanoCores: nanoCores }),
      usageCoreNanoSeconds: Math.round(cpuNs),
    },
    memory: { time, usageBytes, workingSetBytes, rssBytes, pageFaults, majorPageFaults },
    swap: { time, swapUsageBytes: swapBytes },
  };
}

function ownUsage(): object {
  const time = timeOf(Date.now());
  const { user, system } = process.cpuUsage();
  const rssBytes = process.memoryUsage.rss();
  return {
    cpu: { time, usageCoreNanoSeconds: (user + system) * 1000 },
    memory: { time, usageBytes: rssBytes, workingSetBytes: rssBytes, rssBytes },
  };
}

function networkOf(interfaces: readonly InterfaceUsage[], time: string): object {
  return { time, ...mainInterface(interfaces), interfaces };
}

async function imageFilesystem({ cri }: SummarySources, time: string, signal: AbortSignal): Promise<object> {
  const [image] = await cri.images.imageFsInfo(signal);
  const directory = image?.fsId?.mountpoint;
  const whole = directory === undefined ? undefined : await filesystemUsage(directory, time);
  if (whole === undefined) return {};
  const usedBytes = Number(image?.usedBytes?.value ?? 0n);
  const inodesUsed = Number(image?.inodesUsed?.value ?? 0n);
  return { imageFs: { ...whole, usedBytes, inodesUsed }, containerFs: whole };
}

async function processLimit(time: string): Promise<object> {
  const [load = "", pidMax] = await Promise.all(
    ["/proc/loadavg", "/proc/sys/kernel/pid_max"].map((path) => readFile(path, "utf8")),
  );
  return { time, maxpid: Number(pidMax), curproc: Number(/ \d+\/(\d+) /.exec(load)?.[1] ?? 0) };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
