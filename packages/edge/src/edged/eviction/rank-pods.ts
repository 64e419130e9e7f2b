import type { Pod } from "@kedge/kube";
import { podRequests } from "../resources/pod-resources.ts";
import type { EvictionSignal } from "./eviction-signals.ts";
import { ALL_PARTS, type DiskParts, diskUsage, type PodUsage } from "./pod-usage.ts";

const NANO = 1_000_000_000n;
type Compare = (a: Pod, b: Pod) => number;
export type UsageOf = (pod: Pod) => PodUsage | undefined;

/**
 * The pods in the order in which they are to be evicted: those that take more than they asked for, the least important,
 * the greediest. Of whom nothing is known comes first, as a kubelet has it.
 *
 * @param separateImages images and what containers write have a file system of their own.
 */
export function rankPods(
  pods: readonly Pod[],
  signal: EvictionSignal,
  usageOf: UsageOf,
  separateImages: boolean,
): Pod[] {
  return pods.toSorted(inTurn(...comparisons(signal, usageOf, separateImages)));
}

function comparisons(signal: EvictionSignal, usageOf: UsageOf, separateImages: boolean): Compare[] {
  if (signal === "pid.available") return [byPriority, byMost((pod) => usageOf(pod)?.processes)];
  if (signal === "memory.available" || signal === "allocatableMemory.available") {
    const excess = (pod: Pod) => above(usageOf(pod)?.memoryBytes, request(pod, "memory"));
    return [byExceeding(excess), byPriority, byMost(excess)];
  }
  const parts = partsOf(signal, separateImages);
  const inodes = signal.endsWith("inodesFree");
  const excess = (pod: Pod) => {
    const usage = usageOf(pod);
    if (usage === undefined) return undefined;
    const disk = diskUsage(usage, parts);
    return inodes ? disk.inodes : above(disk.bytes, request(pod, "ephemeral-storage"));
  };
  return [byExceeding(excess), byPriority, byMost(excess)];
}

/** What evicting a pod would free on the file system of this signal. */
export function partsOf(signal: EvictionSignal, separateImages: boolean): DiskParts {
  if (!separateImages) return ALL_PARTS;
  return signal.startsWith("nodefs")
    ? { root: false, logs: true, volumes: true }
    : { root: true, logs: false, volumes: false };
}

function request(pod: Pod, resource: string): number {
  return Number((podRequests(pod).get(resource) ?? 0n) / NANO);
}

function above(usage: number | undefined, requested: number): number | undefined {
  return usage === undefined ? undefined : usage - requested;
}

function byExceeding(excess: (pod: Pod) => number | undefined): Compare {
  const rank = (pod: Pod) => {
    const by = excess(pod);
    return by === undefined ? 0 : by > 0 ? 1 : 2;
  };
  return (a, b) => rank(a) - rank(b);
}

function byMost(amount: (pod: Pod) => number | undefined): Compare {
  return (a, b) => {
    const [first, second] = [amount(a), amount(b)];
    if (first === undefined || second === undefined) return Number(first !== undefined) - Number(second !== undefined);
    return second - first;
  };
}

const byPriority: Compare = (a, b) => (a.spec?.priority ?? 0) - (b.spec?.priority ?? 0);

function inTurn(...compares: readonly Compare[]): Compare {
  return (a, b) => {
    for (const compare of compares) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return 0;
  };
}
