import type { Pod } from "@kedge/kube";

/** Pods from this priority up, to the next group's, get so long. */
export interface ShutdownGroup {
  readonly priority: number;
  readonly graceSeconds: number;
}

export interface ShutdownSettings {
  /** `shutdownGracePeriod`, whole; 0: the node does not wait for pods. */
  readonly graceMs: number;
  /** `shutdownGracePeriodCriticalPods`: of it, for critical pods, at the end. */
  readonly criticalGraceMs: number;
  /** `shutdownGracePeriodByPodPriority`; if there are any, the two above do not count. */
  readonly byPriority: readonly ShutdownGroup[];
}

const CRITICAL_PRIORITY = 2_000_000_000;

/** From the least important to the most; none: the node goes down without regard to pods. */
export function shutdownGroups({ graceMs, criticalGraceMs, byPriority }: ShutdownSettings): ShutdownGroup[] {
  if (byPriority.length > 0) return byPriority.toSorted((a, b) => a.priority - b.priority);
  if (graceMs <= 0 || criticalGraceMs > graceMs || criticalGraceMs < 0) return [];
  return [
    { priority: 0, graceSeconds: Math.floor((graceMs - criticalGraceMs) / 1000) },
    { priority: CRITICAL_PRIORITY, graceSeconds: Math.floor(criticalGraceMs / 1000) },
  ];
}

/** Which pods end together. Who is below the lowest group is in that. */
export function groupPods(groups: readonly ShutdownGroup[], pods: readonly Pod[]): Map<ShutdownGroup, Pod[]> {
  const grouped = new Map<ShutdownGroup, Pod[]>(groups.map((group) => [group, []]));
  for (const pod of pods) {
    const priority = pod.spec?.priority ?? 0;
    const group = groups.findLast((one) => one.priority <= priority) ?? groups[0];
    if (group !== undefined) grouped.get(group)?.push(pod);
  }
  return grouped;
}

/** What a pod of this group gets: its own time, if that is shorter. */
export function shutdownGraceSeconds(pod: Pod, { graceSeconds }: ShutdownGroup): number {
  return Math.min(graceSeconds, pod.spec?.terminationGracePeriodSeconds ?? graceSeconds);
}
