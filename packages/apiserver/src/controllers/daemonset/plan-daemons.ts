import type { DaemonSet, Node, Pod } from "@kedge/kube";
import { resolveShare } from "../deployment/rollout-bounds.ts";
import { availableInMs, isPodReady } from "../pods/pod-state.ts";
import { daemonFits, nodeNameOf, REVISION_HASH } from "./daemonset-template.ts";

/** Pods created or deleted in one round. */
export const DAEMONS_BURST_MAX = 250;

export interface DaemonPlan {
  /** Nodes that need a pod. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  /** Pods that ended in failure, to be removed after a wait that grows with each. */
  readonly failed: readonly Pod[];
}

export interface DaemonView {
  readonly daemonSet: DaemonSet;
  readonly nodes: readonly Node[];
  /** All that the DaemonSet owns. */
  readonly pods: readonly Pod[];
  /** Of the current template. */
  readonly hash: string;
  readonly nowMs: number;
}

/** Which daemons must come and go: first so that each node has one, then so that each is of the current template. */
export function planDaemons(view: DaemonView): DaemonPlan {
  const { daemonSet, nodes } = view;
  if (daemonSet.metadata?.deletionTimestamp !== undefined) return { create: [], remove: [], failed: [] };
  const byNode = groupByNode(view.pods);
  const create: string[] = [];
  const remove: Pod[] = [];
  const failed: Pod[] = [];
  for (const node of nodes) {
    const name = node.metadata?.name ?? "";
    const pods = (byNode.get(name) ?? []).filter(isNotTerminating);
    const { start, stay } = daemonFits(daemonSet, node);
    if (!stay) remove.push(...pods);
    else {
      const [oldest, ...others] = pods.filter(({ status }) => status?.phase !== "Failed").sort(byAge);
      failed.push(...pods.filter(({ status }) => status?.phase === "Failed"));
      remove.push(...others);
      // One that is about to end must be gone first: a daemon may hold a port or a file of its node.
      if (start && oldest === undefined && pods.length === 0 && !byNode.has(name)) create.push(name);
    }
  }
  if (create.length + remove.length + failed.length === 0) remove.push(...planRollingUpdate(view, byNode));
  return { create: create.slice(0, DAEMONS_BURST_MAX), remove: remove.slice(0, DAEMONS_BURST_MAX), failed };
}

/** Old pods that may go now: those that serve nobody at once, others as far as `maxUnavailable` allows. */
function planRollingUpdate(view: DaemonView, byNode: ReadonlyMap<string, readonly Pod[]>): Pod[] {
  const { daemonSet, nodes, hash, nowMs } = view;
  if (daemonSet.spec?.updateStrategy?.type === "OnDelete") return [];
  const wanted = nodes.filter((node) => daemonFits(daemonSet, node).start);
  const { maxUnavailable = 1 } = daemonSet.spec?.updateStrategy?.rollingUpdate ?? {};
  let allowed = Math.max(1, resolveShare(maxUnavailable, wanted.length, Math.ceil));
  const broken: Pod[] = [];
  const serving: Pod[] = [];
  for (const node of wanted) {
    const pods = (byNode.get(node.metadata?.name ?? "") ?? []).filter(isNotTerminating);
    const available = pods.some((pod) => isAvailable(daemonSet, pod, nowMs));
    if (!available) allowed -= 1;
    const old = pods.find((pod) => pod.metadata?.labels?.[REVISION_HASH] !== hash);
    if (old !== undefined) (available ? serving : broken).push(old);
  }
  return [...broken, ...serving.slice(0, Math.max(0, allowed))];
}

/** The status that `kubectl rollout status` reads, and after how many ms time alone will change it. */
export function daemonSetStatus(view: DaemonView): {
  readonly status: NonNullable<DaemonSet["status"]>;
  readonly requeueAfterMs: number | undefined;
} {
  const { daemonSet, nodes, hash, nowMs } = view;
  const byNode = groupByNode(view.pods);
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 };
  let requeueAfterMs: number | undefined;
  for (const node of nodes) {
    const [pod] = [...(byNode.get(node.metadata?.name ?? "") ?? [])].sort(byAge);
    if (!daemonFits(daemonSet, node).start) {
      if (pod !== undefined) counts.misscheduled += 1;
      continue;
    }
    counts.desired += 1;
    if (pod === undefined) continue;
    counts.current += 1;
    if (pod.metadata?.labels?.[REVISION_HASH] === hash) counts.updated += 1;
    if (!isPodReady(pod)) continue;
    counts.ready += 1;
    const wait = availableInMs(pod, daemonSet.spec?.minReadySeconds ?? 0, nowMs);
    if (wait === 0) counts.available += 1;
    else if (wait !== undefined) requeueAfterMs = Math.min(requeueAfterMs ?? Infinity, wait);
  }
  const unavailable = counts.desired - counts.available;
  const { collisionCount, conditions } = daemonSet.status ?? {};
  const status = {
    currentNumberScheduled: counts.current,
    desiredNumberScheduled: counts.desired,
    numberMisscheduled: counts.misscheduled,
    numberReady: counts.ready,
    ...(counts.updated === 0 ? {} : { updatedNumberScheduled: counts.updated }),
    ...(counts.available === 0 ? {} : { numberAvailable: counts.available }),
    ...(unavailable === 0 ? {} : { numberUnavailable: unavailable }),
    ...(daemonSet.metadata?.generation === undefined ? {} : { observedGeneration: daemonSet.metadata.generation }),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions === undefined ? {} : { conditions }),
  };
  return { status, requeueAfterMs };
}

function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const name = nodeNameOf(pod);
    if (name === undefined) continue;
    const there = byNode.get(name);
    if (there === undefined) byNode.set(name, [pod]);
    else there.push(pod);
  }
  return byNode;
}

function isNotTerminating(pod: Pod): boolean {
  return pod.metadata?.deletionTimestamp === undefined;
}

function isAvailable(daemonSet: DaemonSet, pod: Pod, nowMs: number): boolean {
  return availableInMs(pod, daemonSet.spec?.minReadySeconds ?? 0, nowMs) === 0;
}

/** The oldest stays, and of equals the one that is bound. */
function byAge(a: Pod, b: Pod): number {
  const bound = Number(b.spec?.nodeName !== undefined) - Number(a.spec?.nodeName !== undefined);
  const created = (pod: Pod) => Date.parse(pod.metadata?.creationTimestamp ?? "") || 0;
  return bound || created(a) - created(b) || (a.metadata?.name ?? "").localeCompare(b.metadata?.name ?? "");
}
