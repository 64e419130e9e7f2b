import { rm } from "node:fs/promises";
import type { EdgedParts } from "../edged-parts.ts";
import { type ContainerGcPolicy, superfluousDead } from "../gc/plan-container-gc.ts";
import { logLinkPath, podLogDirectory, removeContainerLogs } from "./container-logs.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime-pod.ts";

/** What of a living pod is of no use any more. Sandboxes only once no container is left in them. */
export function superfluous(
  pod: RuntimePod,
  policy: ContainerGcPolicy,
  nowMs: number,
): { containers: RuntimeContainer[]; sandboxIds: string[] } {
  const dead = pod.containers.filter(({ state }) => state !== "running" && state !== "unknown");
  const containers = [...new Set(dead.map(({ name }) => name))].flatMap((name) =>
    superfluousDead(
      dead.filter((container) => container.name === name),
      policy,
      nowMs,
    ),
  );
  const used = new Set(pod.containers.filter((one) => !containers.includes(one)).map(({ sandboxId }) => sandboxId));
  const sandboxIds = pod.sandboxes
    .slice(1) // the newest tells which attempt comes next
    .filter(({ id, ready }) => !ready && !used.has(id))
    .map(({ id }) => id);
  return { containers, sandboxIds };
}

export async function removeSuperfluous(pod: RuntimePod, parts: EdgedParts, signal: AbortSignal): Promise<void> {
  const { containers, sandboxIds } = superfluous(pod, parts.config.housekeeping.containers, parts.clock.now());
  for (const container of containers) await removeContainer(pod, container, parts, signal);
  for (const id of sandboxIds) await parts.cri.runtime.removePodSandbox(id, signal);
}

/** Removes a dead container with its log, its link and its termination message. */
export async function removeContainer(
  pod: RuntimePod,
  container: RuntimeContainer,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<void> {
  await parts.cri.runtime.removeContainer(container.id, signal);
  const link = logLinkPath(parts.config.containerLogsDirectory, pod, container.name, container.id);
  await removeContainerLogs(container.logPath, link);
  const message = container.terminationMessageHostPath;
  // The runtime's word is not enough to delete by: only what lies in the pods' own directories is ours.
  if (message?.startsWith(`${parts.config.rootDirectory}/pods/`) === true) await rm(message, { force: true });
}

/** Removes everything that the runtime and the log directories hold of a pod that is gone for good. */
export async function removeRuntimePod(pod: RuntimePod, parts: EdgedParts, signal: AbortSignal): Promise<void> {
  for (const container of pod.containers) await removeContainer(pod, container, parts, signal);
  for (const { id } of pod.sandboxes) {
    await parts.cri.runtime.stopPodSandbox(id, signal);
    await parts.cri.runtime.removePodSandbox(id, signal);
  }
  await rm(podLogDirectory(parts.config.podLogsDirectory, pod), { recursive: true, force: true });
}
