import { readdirSync } from "node:fs";
import type { LinuxContainerResources } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import { CFS_PERIOD_DEFAULT_US, milliCpuToQuotaUs, milliCpuToShares, milliOf, valueOf } from "./cgroup-values.ts";
import { amountsOf, isSidecar, podLimits, podRequests } from "./pod-resources.ts";
import { isCriticalPod, qosClassOf } from "./qos-class.ts";
import { divideUp, parseNano } from "./quantity.ts";

const OOM_GUARANTEED = -997;
const OOM_BEST_EFFORT = 1000;
const NODE_CRITICAL_CLASS = "system-node-critical";

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
  /** On cgroup v2, one killed process takes the container down unless this is true. */
  readonly singleProcessOomKill?: boolean;
  /** Whether cgroup v2 can limit swap; then containers get none. */
  readonly swapController?: boolean;
}

/** Resources of one container as the runtime wants them. */
export function linuxResources(pod: Pod, container: Container, options: LinuxResourcesOptions): LinuxResources {
  const requests = amountsOf(container.resources?.requests);
  const limits = amountsOf(container.resources?.limits);
  const memory = valueOf(limits.get("memory"));
  return {
    ...cpuAndMemory(requests.get("cpu"), limits.get("cpu"), memory, options),
    oomScoreAdj: BigInt(oomScoreAdj(pod, container, options.memoryCapacityBytes)),
    hugepageLimits: (options.hugePageSizes ?? []).map((pageSize) => ({
      pageSize,
      limit: BigInt(valueOf(limits.get(`hugepages-${pageSize.replace("B", "i")}`))),
    })),
    ...(options.swapController === true && memory > 0 && { memorySwapLimitInBytes: BigInt(memory) }),
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

  let score = scoreFor(memoryRequest(container), memoryCapacityBytes);
  const initContainers = pod.spec?.initContainers ?? [];
  if (isSidecar(container) && initContainers.some(({ name }) => name === container.name)) {
    // A sidecar must not die before the containers that it serves.
    const least = (pod.spec?.containers ?? []).map(memoryRequest).reduce((a, b) => (a < b ? a : b));
    score = Math.min(score, scoreFor(least, memoryCapacityBytes));
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

function scoreFor(requestBytes: number, capacityBytes: number): number {
  return 1000 - Math.floor((1000 * requestBytes) / capacityBytes);
}
