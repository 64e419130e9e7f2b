import { findCondition, type Node, type NodeCondition, type Taint } from "@kedge/kube";
import type { ControllerTimings } from "../controller-deps.ts";

export const NOT_READY = "node.kubernetes.io/not-ready";
export const UNREACHABLE = "node.kubernetes.io/unreachable";
/** The conditions that nobody can vouch for once the kubelet is silent. */
const KUBELET_CONDITIONS = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
const PRESSURE_TAINTS: readonly (readonly [condition: string, taint: string])[] = [
  ["MemoryPressure", "node.kubernetes.io/memory-pressure"],
  ["DiskPressure", "node.kubernetes.io/disk-pressure"],
  ["PIDPressure", "node.kubernetes.io/pid-pressure"],
  ["NetworkUnavailable", "node.kubernetes.io/network-unavailable"],
];
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";
/** Taints that are ours to set and to take away. */
const OWNED = new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...PRESSURE_TAINTS.map(([, taint]) => taint)]);

export interface NodeHealth {
  /** Conditions to write; none: they are right. */
  readonly conditions: readonly NodeCondition[];
  /** In how many ms the node counts as silent if it says nothing until then. */
  readonly recheckAfterMs: number | undefined;
}

/**
 * Whether a node is alive, judged by when *we* last saw its lease or status change: its clock may be wrong.
 *
 * @param silentMs how long nothing of it changed.
 */
export function planNodeHealth(node: Node, silentMs: number, timings: ControllerTimings, nowIso: string): NodeHealth {
  const ready = findCondition(node.status?.conditions, "Ready");
  const graceMs = ready === undefined ? timings.nodeStartupGraceMs : timings.nodeGraceMs;
  if (silentMs < graceMs) return { conditions: [], recheckAfterMs: graceMs - silentMs };
  const conditions: NodeCondition[] = [];
  for (const type of KUBELET_CONDITIONS) {
    const before = findCondition(node.status?.conditions, type);
    if (before?.status === "Unknown") continue;
    const told =
      before === undefined
        ? { reason: "NodeStatusNeverUpdated", message: "Kubelet never posted node status." }
        : { reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." };
    const { lastHeartbeatTime = node.metadata?.creationTimestamp } = before ?? {};
    conditions.push({
      type,
      status: "Unknown",
      ...told,
      lastTransitionTime: nowIso,
      ...(lastHeartbeatTime === undefined ? {} : { lastHeartbeatTime }),
    });
  }
  return { conditions, recheckAfterMs: undefined };
}

/**
 * The taints that a node's conditions ask for, beside those that are not ours; `undefined`: they are right as they are.
 * A node that is not ready keeps new pods away (`NoSchedule`) and, after their tolerations, loses those it has
 * (`NoExecute`).
 */
export function planTaints(node: Node, nowIso: string): Taint[] | undefined {
  const present = node.spec?.taints ?? [];
  const wanted = new Map<string, Taint>();
  const want = (key: string, effect: string) => {
    const before = present.find((taint) => taint.key === key && taint.effect === effect);
    wanted.set(`${key}/${effect}`, before ?? { key, effect, timeAdded: nowIso });
  };
  const ready = findCondition(node.status?.conditions, "Ready")?.status;
  if (ready !== "True") {
    // Without any status yet the node has only been announced: keep pods away, evict nothing.
    const key = ready === "Unknown" ? UNREACHABLE : NOT_READY;
    want(key, "NoSchedule");
    if (ready !== undefined) want(key, "NoExecute");
  }
  for (const [condition, key] of PRESSURE_TAINTS)
    if (findCondition(node.status?.conditions, condition)?.status === "True") want(key, "NoSchedule");
  if (node.spec?.unschedulable === true) want(UNSCHEDULABLE, "NoSchedule");

  const kept = present.filter(({ key, effect }) => !OWNED.has(key) || wanted.has(`${key}/${effect}`));
  const missing = [...wanted.values()].filter((taint) => !present.includes(taint));
  if (missing.length === 0 && kept.length === present.length) return undefined;
  return [...kept, ...missing];
}
