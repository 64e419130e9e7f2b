import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Container, Pod } from "@kedge/kube";
import { amountsOf } from "./pod-resources.ts";
import { isCriticalPod, qosClassOf } from "./qos-class.ts";

/** `memorySwap.swapBehavior`; whatever else: none. */
export type SwapBehavior = "NoSwap" | "LimitedSwap";

export interface SwapFacts {
  readonly behavior: SwapBehavior;
  readonly cgroupVersion: 1 | 2;
  readonly memoryCapacityBytes: number;
  readonly swapCapacityBytes: number;
}

/** Whether the kernel can limit a cgroup's swap: it may be built or booted without. */
export function hasSwapController(cgroupVersion: 1 | 2, root = "/sys/fs/cgroup", self = "/proc/self/cgroup"): boolean {
  if (cgroupVersion === 1) return existsSync(join(root, "memory/memory.memsw.limit_in_bytes"));
  const own = /^0::(.*)$/m.exec(readFileSync(self, "utf8"))?.[1] ?? "/";
  return existsSync(join(root, own, "memory.swap.max"));
}

/** Swap of this machine in bytes. */
export function swapCapacityBytes(meminfo: string = readFileSync("/proc/meminfo", "utf8")): number {
  return Number(/^SwapTotal:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
}

/**
 * How much a container may swap: with LimitedSwap the share of the machine's swap that its request is of the machine's
 * memory; nothing to those whose memory is promised to them, or who ask for none.
 */
export function swapBytes(pod: Pod, container: Container, facts: SwapFacts): number {
  if (facts.behavior !== "LimitedSwap" || facts.cgroupVersion !== 2) return 0;
  const request = amountsOf(container.resources?.requests).get("memory") ?? 0n;
  const limit = amountsOf(container.resources?.limits).get("memory") ?? 0n;
  if (isCriticalPod(pod) || qosClassOf(pod) !== "Burstable" || request === limit) return 0;
  const requestBytes = Number(request / 1_000_000_000n);
  if (facts.memoryCapacityBytes <= 0 || requestBytes > facts.memoryCapacityBytes) return 0;
  return Math.floor((requestBytes / facts.memoryCapacityBytes) * facts.swapCapacityBytes);
}
