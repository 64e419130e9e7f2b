import { readFileSync } from "node:fs";
import type { Pod } from "@kedge/kube";
import { longRunningContainers, podLimits, podRequests } from "./pod-resources.ts";
import { qosClassOf } from "./qos-class.ts";
import { amountsOf } from "./pod-resources.ts";
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
}

export interface CgroupOptions {
  /** `cpuCFSQuota`; default true. */
  readonly cpuCfsQuota?: boolean;
  readonly cpuCfsPeriodUs?: number;
  /** `podPidsLimit`; −1 or absent: none. */
  readonly podPidsLimit?: number;
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
  const pids = podPidsLimit > 0 ? { pidsMax: podPidsLimit } : {};
  const qosClass = qosClassOf(pod);
  if (qosClass === "BestEffort") return { cpuShares: CPU_SHARES_MIN, ...pids };

  const requests = podRequests(pod);
  const limits = podLimits(pod);
  const cpuLimited = qosClass === "Guaranteed" || allLimit(pod, "cpu");
  const memoryLimited = qosClass === "Guaranteed" || allLimit(pod, "memory");
  const quota = milliCpuToQuotaUs(milliOf(limits.get("cpu")), cpuCfsPeriodUs);
  return {
    cpuShares: milliCpuToShares(milliOf(requests.get("cpu"))),
    ...(cpuLimited && { cpuQuotaUs: cpuCfsQuota && quota > 0 ? quota : -1, cpuPeriodUs: cpuCfsPeriodUs }),
    ...(memoryLimited && { memoryLimitBytes: valueOf(limits.get("memory")) }),
    ...pids,
  };
}

/** The Burstable class: as many shares as all its pods requested. */
export function burstableCpuShares(pods: Iterable<Pod>): number {
  let milli = 0;
  for (const pod of pods) if (qosClassOf(pod) === "Burstable") milli += milliOf(podRequests(pod).get("cpu"));
  return milliCpuToShares(milli);
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

// One container without a limit may use all there is, so the pod has no limit either.
function allLimit(pod: Pod, resource: "cpu" | "memory"): boolean {
  const containers = [...longRunningContainers(pod), ...(pod.spec?.initContainers ?? [])];
  return containers.every((container) => (amountsOf(container.resources?.limits).get(resource) ?? 0n) > 0n);
}
