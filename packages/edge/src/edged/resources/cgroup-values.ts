import { readFileSync } from "node:fs";
import type { Pod } from "@kedge/kube";
import {
  type Amounts,
  amountsOf,
  longRunningContainers,
  podLevelResources,
  podLimits,
  podRequests,
} from "./pod-resources.ts";
import { qosClassOf } from "./qos-class.ts";
import { divideUp } from "./quantity.ts";

const CPU_SHARES_MIN = 2;
const CPU_SHARES_MAX = 262_144;
const CFS_QUOTA_MIN_US = 1_000;
export const CFS_PERIOD_DEFAULT_US = 100_000;

/** What one cgroup is told; an absent member is left as it is. */
export interface CgroupValues {
  readonly cpuShares?: number;
  /** µs of cpu time a period; −1 is no limit. */
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly memoryLimitBytes?: number;
  readonly pidsMax?: number;
  /** As cgroup files name them (`2MB`) → bytes. */
  readonly hugePages?: Readonly<Record<string, number>>;
  /** `memory.min` of version 2, which version 1 does not have. */
  readonly memoryMinBytes?: number;
}

export interface CgroupOptions {
  /** `cpuCFSQuota`; default true. */
  readonly cpuCfsQuota?: boolean;
  readonly cpuCfsPeriodUs?: number;
  /** `podPidsLimit`; −1 or absent: none. */
  readonly podPidsLimit?: number;
  /** All that this kernel knows, as `hugePageSizes()` gives them; pods have none of what they do not ask for. */
  readonly hugePageSizes?: readonly string[];
  /** The gate `MemoryQoS`; it only works on version 2. */
  readonly memoryQos?: boolean;
}

export function milliCpuToShares(milli: number): number {
  return Math.min(CPU_SHARES_MAX, Math.max(CPU_SHARES_MIN, Math.floor((milli * 1024) / 1000)));
}

/** @returns 0 when there is no limit. */
export function milliCpuToQuotaUs(milli: number, periodUs: number = CFS_PERIOD_DEFAULT_US): number {
  return milli === 0 ? 0 : Math.max(CFS_QUOTA_MIN_US, Math.floor((milli * periodUs) / 1000));
}

/** cgroup v2's `cpu.weight` for v1's shares. */
export function sharesToWeight(shares: number): number {
  return Math.floor(1 + ((shares - 2) * 9999) / 262_142);
}

/** The pod's own cgroup: what all its containers together may use. */
export function podCgroupValues(pod: Pod, options: CgroupOptions = {}): CgroupValues {
  const { cpuCfsQuota = true, cpuCfsPeriodUs = CFS_PERIOD_DEFAULT_US, podPidsLimit = -1 } = options;
  const requests = podRequests(pod);
  const hugePages = hugePageLimits(requests, options.hugePageSizes);
  const memoryMinBytes = options.memoryQos === true ? valueOf(requests.get("memory")) : 0;
  const others = {
    ...(podPidsLimit > 0 && { pidsMax: podPidsLimit }),
    ...(hugePages !== undefined && { hugePages }),
    ...(memoryMinBytes > 0 && { memoryMinBytes }),
  };
  const qosClass = qosClassOf(pod);
  if (qosClass === "BestEffort") return { cpuShares: CPU_SHARES_MIN, ...others };

  const limits = podLimits(pod);
  const cpuLimited = qosClass === "Guaranteed" || allLimit(pod, "cpu");
  const memoryLimited = qosClass === "Guaranteed" || allLimit(pod, "memory");
  const quota = milliCpuToQuotaUs(milliOf(limits.get("cpu")), cpuCfsPeriodUs);
  return {
    cpuShares: milliCpuToShares(milliOf(requests.get("cpu"))),
    ...(cpuLimited && { cpuQuotaUs: cpuCfsQuota && quota > 0 ? quota : -1, cpuPeriodUs: cpuCfsPeriodUs }),
    ...(memoryLimited && { memoryLimitBytes: valueOf(limits.get("memory")) }),
    ...others,
  };
}

/** A size of huge pages as resources name it: `2MB` is `hugepages-2Mi`. */
export function hugePagesResource(pageSize: string): string {
  return `hugepages-${pageSize.replace("B", "i")}`;
}

/** For each size that the kernel knows what is asked for; undefined when it knows none. */
export function hugePageLimits(
  amounts: Amounts,
  pageSizes: readonly string[] = [],
): Record<string, number> | undefined {
  if (pageSizes.length === 0) return undefined;
  return Object.fromEntries(pageSizes.map((size) => [size, valueOf(amounts.get(hugePagesResource(size)))]));
}

/** The Burstable class: as many shares as all its pods requested. */
export function burstableCpuShares(pods: Iterable<Pod>): number {
  let milli = 0;
  for (const pod of pods) if (qosClassOf(pod) === "Burstable") milli += milliOf(podRequests(pod).get("cpu"));
  return milliCpuToShares(milli);
}

/** Memory that the pods of each class requested. */
export function qosMemoryBytes(pods: Iterable<Pod>): { readonly guaranteed: number; readonly burstable: number } {
  const bytes = { guaranteed: 0, burstable: 0 };
  for (const pod of pods) {
    const qosClass = qosClassOf(pod);
    if (qosClass === "BestEffort") continue;
    bytes[qosClass === "Guaranteed" ? "guaranteed" : "burstable"] += valueOf(podRequests(pod).get("memory"));
  }
  return bytes;
}

export function milliOf(nano: bigint | undefined): number {
  return Number(divideUp(nano ?? 0n, 1_000_000n));
}

export function valueOf(nano: bigint | undefined): number {
  return Number(divideUp(nano ?? 0n, 1_000_000_000n));
}

/** Memory of this machine in bytes. */
export function memoryCapacityBytes(meminfo: string = readFileSync("/proc/meminfo", "utf8")): number {
  return Number(/^MemTotal:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
}

// One container without a limit may use all there is, so the pod has no limit either, unless it says one itself.
function allLimit(pod: Pod, resource: "cpu" | "memory"): boolean {
  if ((amountsOf(podLevelResources(pod)?.limits).get(resource) ?? 0n) > 0n) return true;
  const containers = [...longRunningContainers(pod), ...(pod.spec?.initContainers ?? [])];
  return containers.every((container) => (amountsOf(container.resources?.limits).get(resource) ?? 0n) > 0n);
}
