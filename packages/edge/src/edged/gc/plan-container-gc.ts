import type { RuntimeContainer } from "../runtime/runtime-pod.ts";

export interface ContainerGcPolicy {
  /** `maxPerPodContainerCount`: dead ones kept of each container, at least one; negative: all. */
  readonly perContainerMax: number;
  /** `maxContainerCount`: dead ones kept on the node; negative: all. */
  readonly nodeMax: number;
  /** `minimumGCAge`: a container is kept for so long after it was made. */
  readonly ageMinMs: number;
}

/** The dead containers of one name in one pod, newest first. */
export interface DeadContainers {
  /** The pod has ended: nobody will ask how to go on from here. */
  readonly isOver: boolean;
  readonly containers: readonly RuntimeContainer[];
}

/** Of one container: those to remove now. The newest tells how it ended, and how often it was started: it stays. */
export function superfluousDead(
  dead: readonly RuntimeContainer[],
  { perContainerMax, ageMinMs }: Omit<ContainerGcPolicy, "nodeMax">,
  nowMs: number,
): RuntimeContainer[] {
  if (perContainerMax < 0) return [];
  return dead.slice(Math.max(1, perContainerMax)).filter((container) => isOldEnough(container, ageMinMs, nowMs));
}

/**
 * Of all that is dead on the node: those to remove so that no more than `nodeMax` stay. First each container gives up
 * as many as the others, then the oldest of pods that are over go.
 */
export function planContainerGc(
  groups: readonly DeadContainers[],
  { nodeMax, ageMinMs }: Omit<ContainerGcPolicy, "perContainerMax">,
  nowMs: number,
): RuntimeContainer[] {
  const count = groups.reduce((sum, { containers }) => sum + containers.length, 0);
  if (nodeMax < 0 || count <= nodeMax) return [];
  const share = Math.max(1, Math.floor(nodeMax / groups.length));
  const mayGo = (container: RuntimeContainer) => isOldEnough(container, ageMinMs, nowMs);
  const removed = groups.flatMap(({ containers }) => containers.slice(share).filter(mayGo));
  const left = count - removed.length - nodeMax;
  if (left <= 0) return removed;
  const oldest = groups
    .filter(({ isOver }) => isOver)
    .flatMap(({ containers }) => containers.slice(0, share).filter(mayGo))
    .toSorted((a, b) => a.createdAtMs - b.createdAtMs);
  return [...removed, ...oldest.slice(0, left)];
}

/** The wall clock may have been set back: what comes from the future is old. */
function isOldEnough({ createdAtMs }: RuntimeContainer, ageMinMs: number, nowMs: number): boolean {
  return createdAtMs > nowMs || nowMs - createdAtMs >= ageMinMs;
}
