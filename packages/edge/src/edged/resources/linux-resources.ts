import { readdirSync } from "node:fs";
import type { LinuxContainerResources } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import {
  CFS_PERIOD_DEFAULT_US,
  hugePagesResource,
  milliCpuToQuotaUs,
  milliCpuToShares,
  milliOf,
  valueOf,
} from "./cgroup-values.ts";
import { amountsOf, containerLimit, isSidecar, podLevelResources, podLimits, podRequests } from "./pod-resources.ts";
import { isCriticalPod, qosClassOf } from "./qos-class.ts";
import { divideUp, parseNano } from "./quantity.ts";
import { type SwapBehavior, swapBytes } from "./swap.ts";

const OOM_GUARANTEED = -997;
const OOM_BEST_EFFORT = 1000;
const NODE_CRITICAL_CLASS = "system-node-critical";
/** The kernel rounds to its own pages anyway. */
const PAGE_BYTES = 4096;

/** A plain object, not a message made by the generated code. */
export type LinuxResources = Extract<LinuxContainerResources, { $typeName?: never }>;

/** What the machine and its configuration add to a container's own resources. */
export interface LinuxResourcesOptions {
  readonly memoryCapacityBytes: number;
  readonly cgroupVersion: 1 | 2;
  /** `cpuCFSQuota`; default true. */
  readonly cpuCfsQuota?: boolean;
  readonly cpuCfsPeriodUs?: number;
  /** As {@link hugePageSizes} gives them; each is limited to 0 unless the container asks for it. */
  readonly hugePageSizes?: readonly string[];
  /** `singleProcessOOMKill`: on cgroup v2, one killed process takes the container down unless this is true. */
  readonly singleProcessOomKill?: boolean;
  /** Whether the kernel can limit swap; without, nothing is said of it. */
  readonly swapController?: boolean;
  /** Default `NoSwap`. */
  readonly swapBehavior?: SwapBehavior;
  readonly swapCapacityBytes?: number;
  /** The gate `MemoryQoS`, on cgroup v2 only. */
  readonly memoryQos?: MemoryQos | undefined;
}

/** A container that comes near its limit is slowed down, rather than killed. */
export interface MemoryQos {
  /** `memoryThrottlingFactor`: where between request and limit that begins. */
  readonly throttlingFactor: number;
  /** What the node gives to pods: the limit of those without. */
  readonly allocatableBytes: number;
}

/** What the CPU manager decides for one container. */
export interface ContainerCpus {
  /** As cpuset(7) writes it: `0-3,6`; undefined: any. */
  readonly cpuset?: string | undefined;
  /** They are its own: it may use them to the full. */
  readonly exclusive?: boolean | undefined;
}

/** Resources of one container as the runtime wants them. */
export function linuxResources(
  pod: Pod,
  container: Container,
  options: LinuxResourcesOptions,
  cpus: ContainerCpus = {},
): LinuxResources {
  const request = amountsOf(container.resources?.requests).get("cpu");
  const memory = valueOf(containerLimit(pod, container, "memory"));
  const resources = cpuAndMemory(request, containerLimit(pod, container, "cpu"), memory, options);
  const unified = {
    ...resources.unified,
    ...(options.swapController === true && options.cgroupVersion === 2 && swapLimit(pod, container, options)),
    ...(options.memoryQos !== undefined && options.cgroupVersion === 2 && memoryQos(container, options.memoryQos)),
  };
  return {
    ...resources,
    ...(cpus.exclusive === true && resources.cpuQuota !== undefined && { cpuQuota: -1n }),
    ...(cpus.cpuset !== undefined && { cpusetCpus: cpus.cpuset }),
    oomScoreAdj: BigInt(oomScoreAdj(pod, container, options.memoryCapacityBytes)),
    hugepageLimits: (options.hugePageSizes ?? []).map((pageSize) => ({
      pageSize,
      limit: BigInt(valueOf(containerLimit(pod, container, hugePagesResource(pageSize)))),
    })),
    // Of memory and swap together: as much as of memory alone.
    ...(options.swapController === true &&
      options.cgroupVersion === 1 &&
      memory > 0 && { memorySwapLimitInBytes: BigInt(memory) }),
    ...(Object.keys(unified).length > 0 && { unified }),
  };
}

function swapLimit(pod: Pod, container: Container, options: LinuxResourcesOptions): Record<string, string> {
  const { swapBehavior: behavior = "NoSwap", swapCapacityBytes = 0 } = options;
  return { "memory.swap.max": String(swapBytes(pod, container, { ...options, behavior, swapCapacityBytes })) };
}

/** @see the enhancement "memory QoS": request + factor × (limit − request), in whole pages. */
function memoryQos(container: Container, { throttlingFactor, allocatableBytes }: MemoryQos): Record<string, string> {
  const request = valueOf(amountsOf(container.resources?.requests).get("memory"));
  const limit = valueOf(amountsOf(container.resources?.limits).get("memory"));
  const most = limit > 0 ? limit : allocatableBytes;
  const high = Math.floor((request + (most - request) * throttlingFactor) / PAGE_BYTES) * PAGE_BYTES;
  return {
    ...(request > 0 && { "memory.min": String(request) }),
    ...(request !== limit && high > request && { "memory.high": String(high) }),
  };
}

/** All of a pod's containers together, without overhead: runtimes that size a virtual machine read this. */
export function sandboxResources(pod: Pod, options: LinuxResourcesOptions): LinuxResources {
  const requests = podRequests(pod, { excludeOverhead: true });
  const limits = podLimits(pod, { excludeOverhead: true });
  return cpuAndMemory(requests.get("cpu"), limits.get("cpu"), valueOf(limits.get("memory")), options);
}

/** The sandbox' own cost as its RuntimeClass says; undefined without one. */
export function sandboxOverhead(pod: Pod, options: LinuxResourcesOptions): LinuxResources | undefined {
  if (pod.spec?.overhead === undefined) return undefined;
  const overhead = amountsOf(pod.spec.overhead);
  return cpuAndMemory(overhead.get("cpu"), overhead.get("cpu"), valueOf(overhead.get("memory")), options);
}

/** How willingly the kernel kills this container's processes when memory runs out: −997 (last) … 1000 (first). */
export function oomScoreAdj(pod: Pod, container: Container, memoryCapacityBytes: number): number {
  if (isCriticalPod(pod) && pod.spec?.priorityClassName === NODE_CRITICAL_CLASS) return OOM_GUARANTEED;
  const qosClass = qosClassOf(pod);
  if (qosClass === "Guaranteed") return OOM_GUARANTEED;
  if (qosClass === "BestEffort" || memoryCapacityBytes <= 0) return OOM_BEST_EFFORT;

  const spare = spareMemoryRequest(pod);
  let score = scoreFor(memoryRequest(container) + spare, memoryCapacityBytes);
  const initContainers = pod.spec?.initContainers ?? [];
  if (isSidecar(container) && initContainers.some(({ name }) => name === container.name)) {
    // A sidecar must not die before the containers that it serves.
    const least = Math.min(...(pod.spec?.containers ?? []).map(memoryRequest));
    score = Math.min(score, scoreFor(least + spare, memoryCapacityBytes));
  }
  return Math.min(OOM_BEST_EFFORT - 1, Math.max(1000 + OOM_GUARANTEED, score));
}

/** Sizes of huge pages this kernel knows, as cgroup files name them: `2MB`, `1GB`. */
export function hugePageSizes(directory: string = "/sys/kernel/mm/hugepages"): string[] {
  try {
    return readdirSync(directory)
      .map((entry) => /^hugepages-(\d+)kB$/.exec(entry)?.[1])
      .filter((kib) => kib !== undefined)
      .map(Number)
      .sort((a, b) => a - b)
      .map((kib) => (kib >= 1024 ** 2 ? `${kib / 1024 ** 2}GB` : kib >= 1024 ? `${kib / 1024}MB` : `${kib}KB`));
  } catch {
    return []; // a kernel without huge pages
  }
}

function cpuAndMemory(
  cpuRequest: bigint | undefined,
  cpuLimit: bigint | undefined,
  memoryBytes: number,
  options: LinuxResourcesOptions,
): LinuxResources {
  const { cpuCfsQuota = true, cpuCfsPeriodUs = CFS_PERIOD_DEFAULT_US } = options;
  const killTogether = options.cgroupVersion === 2 && options.singleProcessOomKill !== true;
  return {
    cpuShares: BigInt(milliCpuToShares(milliOf(cpuRequest ?? cpuLimit))),
    ...(cpuCfsQuota && {
      cpuQuota: BigInt(milliCpuToQuotaUs(milliOf(cpuLimit), cpuCfsPeriodUs)),
      cpuPeriod: BigInt(cpuCfsPeriodUs),
    }),
    ...(memoryBytes > 0 && { memoryLimitInBytes: BigInt(memoryBytes) }),
    ...(killTogether && { unified: { "memory.oom.group": "1" } }),
  };
}

function memoryRequest(container: Container): number {
  const request = container.resources?.requests?.["memory"];
  return request === undefined ? 0 : Number(divideUp(parseNano(request), 1_000_000_000n));
}

/** Each container's share of what the pod requests beyond its containers. */
function spareMemoryRequest(pod: Pod): number {
  const ofPod = valueOf(amountsOf(podLevelResources(pod)?.requests).get("memory"));
  if (ofPod === 0) return 0;
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const options = { excludeOverhead: true, excludePodLevel: true };
  const ofContainers = valueOf(podRequests(pod, options).get("memory"));
  return Math.trunc((ofPod - ofContainers) / (containers.length + initContainers.length));
}

function scoreFor(requestBytes: number, capacityBytes: number): number {
  return 1000 - Math.floor((1000 * requestBytes) / capacityBytes);
}
