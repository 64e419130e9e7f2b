import type { Container, ContainerStatus, Pod } from "@kedge/kube";
import { isSidecar } from "../pods/plan-init-containers.ts";
import { restartsAfter } from "../pods/restart-policy.ts";

export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed";

/** Reason of a container that was ended because another one's end made all start anew. */
export const RESTARTING_ALL = "RestartingAllContainers";

interface PhaseFacts {
  readonly init: readonly ContainerStatus[];
  readonly regular: readonly ContainerStatus[];
  /** A regular container of the present sandbox has been created. */
  readonly initialized: boolean;
  /** The worker has stopped the pod for good. */
  readonly over: boolean;
}

/** What a container's status amounts to: one that waits after an end counts by that end. */
type Standing = "running" | "ended" | "waiting" | "unknown";

function standingOf(status: ContainerStatus | undefined): Standing {
  const { running, terminated, waiting } = status?.state ?? {};
  if (running !== undefined) return "running";
  if (terminated !== undefined) return "ended";
  if (waiting === undefined) return "unknown";
  return status?.lastState?.terminated === undefined ? "waiting" : "ended";
}

/** @see `edge-runtime` §2.8, the table of phases; kubelets since 1.35 ask each container's own restart rules. */
export function podPhase(pod: Pod, { init, regular, initialized, over }: PhaseFacts): PodPhase {
  const { initContainers = [], containers = [] } = pod.spec ?? {};
  const seen = { initPending: 0, initFailed: 0, waiting: 0, running: 0, unknown: 0, ended: 0, final: 0, succeeded: 0 };
  for (const container of initContainers) {
    const status = init.find(({ name }) => name === container.name);
    const standing = standingOf(status);
    if (isSidecar(container)) {
      if (standing === "ended") continue; // runs again, or the pod is over: either way the others tell
      seen[standing] += 1;
      if (status !== undefined && (standing !== "running" || status.started !== true) && !initialized)
        seen.initPending += 1;
    } else if (standing === "ended") {
      const { exitCode } = endOf(status);
      if (exitCode !== 0 && !runsAgain(pod, container, status)) seen.initFailed += 1;
    } else seen.initPending += 1;
  }
  for (const container of containers) {
    const status = regular.find(({ name }) => name === container.name);
    const standing = standingOf(status);
    seen[standing] += 1;
    if (standing !== "ended") continue;
    if (!runsAgain(pod, container, status)) seen.final += 1;
    if (status?.state?.terminated?.exitCode === 0) seen.succeeded += 1;
  }
  if (seen.initFailed > 0) return "Failed";
  if (seen.initPending + seen.waiting + seen.unknown > 0) return "Pending";
  if (seen.running > 0) return "Running";
  if (seen.ended === 0) return "Pending";
  if (!over && seen.final < seen.ended) return "Running"; // some are about to start again
  return seen.succeeded === seen.ended ? "Succeeded" : "Failed";
}

function endOf(status: ContainerStatus | undefined): { exitCode: number; reason?: string } {
  return status?.state?.terminated ?? status?.lastState?.terminated ?? { exitCode: 0 };
}

function runsAgain(pod: Pod, container: Container, status: ContainerStatus | undefined): boolean {
  const { exitCode, reason } = endOf(status);
  return reason === RESTARTING_ALL || restartsAfter(container, pod.spec, exitCode);
}
