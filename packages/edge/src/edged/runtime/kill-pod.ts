import type { Container, Pod } from "@kedge/kube";
import type { EdgedParts } from "../edged-parts.ts";
import { type RuntimeContainer, type RuntimePod, runningContainers } from "./runtime-pod.ts";

/** Less would kill before the process has noticed. */
export const STOP_GRACE_SECONDS_MIN = 2;
const GRACE_SECONDS_DEFAULT = 30;

/**
 * Stops a container: SIGTERM, SIGKILL after the grace period. PreStop hooks will come in here.
 *
 * @param graceSeconds `undefined`: the pod's own, or what the container remembers of it.
 */
export async function killContainer(
  pod: Pod,
  container: RuntimeContainer,
  message: string | undefined,
  graceSeconds: number | undefined,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<void> {
  parts.events.normal(pod, "Killing", message ?? `Stopping container ${container.name}`, container.name);
  const grace =
    graceSeconds ??
    pod.metadata?.deletionGracePeriodSeconds ??
    pod.spec?.terminationGracePeriodSeconds ??
    container.gracePeriodSeconds ??
    GRACE_SECONDS_DEFAULT;
  await parts.cri.runtime.stopContainer(container.id, Math.max(STOP_GRACE_SECONDS_MIN, grace), signal);
}

/**
 * Stops all of a pod: regular containers together, then sidecars, the last one first, then the sandboxes with their
 * networks.
 */
export async function killPod(
  pod: Pod,
  runtime: RuntimePod,
  graceSeconds: number | undefined,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<void> {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  const running = runningContainers(runtime);
  const isSidecar = ({ name }: RuntimeContainer) => sidecars.some((container: Container) => container.name === name);
  const kill = (container: RuntimeContainer) => killContainer(pod, container, undefined, graceSeconds, parts, signal);
  await Promise.all(running.filter((container) => !isSidecar(container)).map(kill));
  for (const { name } of sidecars.reverse())
    await Promise.all(running.filter((container) => container.name === name).map(kill));
  await Promise.all(runtime.sandboxes.map(({ id }) => parts.cri.runtime.stopPodSandbox(id, signal)));
}
