import { readFile } from "node:fs/promises";
import { type Container, ContainerState, type ContainerStats, type CriClient } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { parseCgroupHierarchies } from "../resources/cgroup-hierarchies.ts";
import { CONTAINER_NAME_LABEL, POD_UID_LABEL } from "../runtime/kubelet-labels.ts";
import { CgroupUsages, type CgroupUsage, type MemoryUsage } from "./cgroup-usage.ts";
import { CpuRates } from "./cpu-rates.ts";
import { type InterfaceUsage, networkUsage } from "./network-usage.ts";
import { nodeUsage } from "./node-usage.ts";

export interface UsageSources {
  readonly cri: CriClient;
  readonly pods: () => readonly Pod[];
  /** Below a hierarchy's root; `undefined`: pods have no cgroups. */
  readonly podCgroup: (pod: Pod) => string | undefined;
  /** Of all pods. */
  readonly podsCgroup: string | undefined;
  readonly cgroupDriver: "cgroupfs" | "systemd";
}

export interface Usage extends CgroupUsage {
  /** When it was read. */
  readonly atMs: number;
  readonly nanoCores: number | undefined;
}

export interface ContainerUsage {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly startedAtMs: number;
  readonly usage: Usage;
  /** What it has written beside its volumes. */
  readonly written: { readonly bytes: number; readonly inodes: number } | undefined;
}

export interface PodUsage {
  readonly pod: Pod;
  readonly containers: readonly ContainerUsage[];
  readonly usage: Usage;
  readonly interfaces: readonly InterfaceUsage[] | undefined;
}

export interface NodeUsage {
  readonly node: Usage;
  /** Of all pods together. */
  readonly allPods: Usage | undefined;
  readonly interfaces: readonly InterfaceUsage[];
  readonly pods: readonly PodUsage[];
}

const NS_PER_MS = 1e6;

/** Reads what node, pods and containers take: two calls of the runtime, and a few small files for each. */
export class UsageCollector {
  readonly #sources: UsageSources;
  readonly #rates = new CpuRates();
  #cgroups: CgroupUsages | undefined;

  constructor(sources: UsageSources) {
    this.#sources = sources;
  }

  async collect(signal: AbortSignal): Promise<NodeUsage> {
    const { cri, pods, podsCgroup } = this.#sources;
    this.#cgroups ??= new CgroupUsages(parseCgroupHierarchies(await readFile("/proc/self/mountinfo", "utf8")));
    const cgroups = this.#cgroups;
    const [containers, stats] = await Promise.all([
      cri.runtime.listContainers({}, signal),
      cri.runtime.listContainerStats(signal),
    ]);
    const running = Map.groupBy(
      containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING),
      ({ labels }) => labels[POD_UID_LABEL] ?? "",
    );
    const statsOf = new Map(stats.map((one) => [one.attributes?.id ?? "", one]));
    const found: PodUsage[] = [];
    for (const pod of pods()) {
      const mine = running.get(pod.metadata?.uid ?? "");
      if (mine !== undefined) found.push(await this.#pod(pod, mine, statsOf, cgroups));
    }
    const allPods = podsCgroup === undefined ? undefined : await cgroups.read(podsCgroup);
    const usage = {
      node: this.#rated("node", await nodeUsage(cgroups)),
      allPods: allPods && this.#rated("pods", allPods),
      interfaces: (await networkUsage("self")) ?? [],
      pods: found,
    };
    this.#rates.roundEnds();
    return usage;
  }

  async #pod(
    pod: Pod,
    running: readonly Container[],
    stats: ReadonlyMap<string, ContainerStats>,
    cgroups: CgroupUsages,
  ): Promise<PodUsage> {
    const cgroup = this.#sources.podCgroup(pod);
    const uid = pod.metadata?.uid ?? "";
    const containers: ContainerUsage[] = [];
    let process: number | undefined;
    for (const container of running) {
      const path = cgroup === undefined ? undefined : `${cgroup}/${this.#element(container.id)}`;
      const own = stats.get(container.id);
      const usage = (path === undefined ? undefined : await cgroups.read(path)) ?? fromRuntime(own);
      if (usage === undefined) continue; // it has just ended
      if (path !== undefined) process ??= await cgroups.anyProcess(path);
      containers.push({
        id: container.id,
        name: container.labels[CONTAINER_NAME_LABEL] ?? "",
        image: container.image?.image ?? "",
        startedAtMs: startedAtMs(pod, container),
        usage: this.#rated(container.id, usage),
        written: writtenOf(own),
      });
    }
    const whole = cgroup === undefined ? undefined : await cgroups.read(cgroup);
    const hostNetwork = pod.spec?.hostNetwork === true;
    return {
      pod,
      containers,
      usage: this.#rated(uid, whole ?? sum(containers.map(({ usage }) => usage))),
      interfaces: process === undefined || hostNetwork ? undefined : await networkUsage(process),
    };
  }

  #element(id: string): string {
    return this.#sources.cgroupDriver === "systemd" ? `cri-containerd-${id}.scope` : id;
  }

  #rated(key: string, usage: CgroupUsage): Usage {
    const atMs = Date.now();
    return { ...usage, atMs, nanoCores: this.#rates.note(key, usage.cpuNs, performance.now() * NS_PER_MS) };
  }
}

/** For runtimes that put containers elsewhere. */
function fromRuntime(stats: ContainerStats | undefined): CgroupUsage | undefined {
  const cpuNs = stats?.cpu?.usageCoreNanoSeconds?.value;
  const memory = stats?.memory;
  if (cpuNs === undefined || memory === undefined) return undefined;
  const number = (value: { readonly value: bigint } | undefined) => Number(value?.value ?? 0);
  return {
    cpuNs: Number(cpuNs),
    memory: {
      usageBytes: number(memory.usageBytes),
      workingSetBytes: number(memory.workingSetBytes),
      rssBytes: number(memory.rssBytes),
      pageFaults: number(memory.pageFaults),
      majorPageFaults: number(memory.majorPageFaults),
      swapBytes: 0,
    },
    processes: undefined,
  };
}

function writtenOf(stats: ContainerStats | undefined): ContainerUsage["written"] {
  const layer = stats?.writableLayer;
  if (layer?.usedBytes === undefined) return undefined;
  return { bytes: Number(layer.usedBytes.value), inodes: Number(layer.inodesUsed?.value ?? 0n) };
}

function startedAtMs({ status }: Pod, { id, createdAt }: Container): number {
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const started = statuses.find(({ containerID }) => containerID?.endsWith(id))?.state?.running?.startedAt;
  return started === undefined ? Number(createdAt) / NS_PER_MS : Date.parse(String(started));
}

const NO_MEMORY: MemoryUsage = {
  usageBytes: 0,
  workingSetBytes: 0,
  rssBytes: 0,
  pageFaults: 0,
  majorPageFaults: 0,
  swapBytes: 0,
};

function sum(usages: readonly CgroupUsage[]): CgroupUsage {
  return usages.reduce<CgroupUsage>(
    (all, { cpuNs, memory, processes }) => ({
      cpuNs: all.cpuNs + cpuNs,
      memory: {
        usageBytes: all.memory.usageBytes + memory.usageBytes,
        workingSetBytes: all.memory.workingSetBytes + memory.workingSetBytes,
        rssBytes: all.memory.rssBytes + memory.rssBytes,
        pageFaults: all.memory.pageFaults + memory.pageFaults,
        majorPageFaults: all.memory.majorPageFaults + memory.majorPageFaults,
        swapBytes: all.memory.swapBytes + memory.swapBytes,
      },
      processes: processes === undefined ? all.processes : (all.processes ?? 0) + processes,
    }),
    { cpuNs: 0, memory: NO_MEMORY, processes: undefined },
  );
}
