import type { NodeCondition } from "@kedge/kube";

/** Which resources run out. */
export interface NodePressure {
  readonly memory: boolean;
  readonly disk: boolean;
  readonly pid: boolean;
}

export interface NodeHealth {
  readonly pressure: NodePressure;
  /** Why the node cannot run pods; empty: it can. */
  readonly errors: readonly string[];
}

interface Wanted {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

/** Types of conditions that a node speaks for itself. */
export const OWN_CONDITIONS: ReadonlySet<string> = new Set(["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]);

/** Those conditions as they should be, in the order that a kubelet reports them. */
export function wantedConditions({ pressure, errors }: NodeHealth): Wanted[] {
  return [
    pressure.memory
      ? condition("MemoryPressure", "True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available")
      : condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    pressure.disk
      ? condition("DiskPressure", "True", "KubeletHasDiskPressure", "kubelet has disk pressure")
      : condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    pressure.pid
      ? condition("PIDPressure", "True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available")
      : condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    errors.length === 0
      ? condition("Ready", "True", "EdgeReady", "edge is posting ready status")
      : condition("Ready", "False", "KubeletNotReady", errors.length === 1 ? errors.join() : `[${errors.join(", ")}]`),
  ];
}

/** Others' conditions stay; ours get their new state, and a new transition time when the state changed. */
export function mergeConditions(present: readonly NodeCondition[], health: NodeHealth, now: string): NodeCondition[] {
  const merged = [...present];
  for (const wanted of wantedConditions(health)) {
    const index = merged.findIndex(({ type }) => type === wanted.type);
    const old = merged[index];
    const lastTransitionTime = old?.status === wanted.status ? (old.lastTransitionTime ?? now) : now;
    const next: NodeCondition = { ...wanted, lastHeartbeatTime: now, lastTransitionTime };
    if (index === -1) merged.push(next);
    else merged[index] = next;
  }
  return merged;
}

function condition(type: string, status: "True" | "False", reason: string, message: string): Wanted {
  return { type, status, reason, message };
}
