import type { ContainerStatus, Pod } from "@kedge/kube";
import { isSidecar } from "../pods/plan-init-containers.ts";

export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed";

interface PhaseFacts {
  readonly init: readonly ContainerStatus[];
  readonly regular: readonly ContainerStatus[];
  /** A regular container of the present sandbox has been created. */
  readonly initialized: boolean;
  /** The worker has stopped the pod for good. */
  readonly over: boolean;
}

/** What a container's status amounts to: one that waits after an end counts by that end. */
type Standing = "running" | "succeeded" | "failed" | "waiting" | "unknown";

function standingOf(status: ContainerStatus | undefined): Standing {
  if (status?.state?.running !== undefined) return "running";
  const ended = status?.state?.terminated ?? status?.lastState?.terminated;
  if (ended !== undefined && (status?.state?.terminated ?? status?.state?.waiting) !== undefined)
    return ended.exitCode === 0 ? "succeeded" : "failed";
  return status?.state?.waiting === undefined ? "unknown" : "waiting";
}

/** @see `edge-runtime` §2.8, the table of phases */
export function podPhase(pod: Pod, { init, regular, initialized, over }: PhaseFacts): PodPhase {
  const { restartPolicy = "Always", initContainers = [], containers = [] } = pod.spec ?? {};
  const find = (statuses: readonly ContainerStatus[], name: string) => statuses.find((status) => status.name === name);
  let initPending = false;
  let waiting = false;
  let running = false;
  let unknown = false;
  for (const container of initContainers) {
    const status = find(init, container.name);
    const standing = standingOf(status);
    if (!isSidecar(container)) {
      if (standing === "failed" && restartPolicy === "Never") return "Failed";
      if (standing === "running" || standing === "waiting" || standing === "unknown") initPending = true;
    } else if (standing === "running") {
      running = true;
      if (status?.started !== true && !initialized) initPending = true;
    } else if (standing === "waiting") {
      waiting = true;
      if (!initialized) initPending = true;
    } else if (standing === "unknown") unknown = true;
  }
  const ends = { succeeded: 0, stopped: 0 };
  for (const { name } of containers) {
    const standing = standingOf(find(regular, name));
    if (standing === "running") running = true;
    else if (standing === "waiting") waiting = true;
    else if (standing === "unknown") unknown = true;
    else {
      ends.stopped += 1;
      if (standing === "succeeded") ends.succeeded += 1;
    }
  }
  if (initPending || waiting) return "Pending";
  if (unknown) return "Pending";
  if (running) return "Running";
  if (ends.stopped === 0) return "Pending";
  const allSucceeded = ends.stopped === ends.succeeded;
  if (over) return allSucceeded ? "Succeeded" : "Failed";
  if (restartPolicy === "Always") return "Running";
  if (allSucceeded) return "Succeeded";
  return restartPolicy === "Never" ? "Failed" : "Running";
}
