import type { Container, Pod } from "@kedge/kube";
import type { EdgedParts } from "../edged-parts.ts";
import { runHook } from "../hooks/run-hook.ts";
import type { ContainerKill } from "../pods/container-verdict.ts";
import { DeadlineError, withDeadline } from "../with-deadline.ts";
import { restartGraceSeconds, STOP_GRACE_SECONDS_MIN } from "./grace-period.ts";
import { type RuntimeContainer, type RuntimePod, runningContainers } from "./runtime-pod.ts";
import { TerminationOrder } from "./termination-order.ts";

export type KillParts = Pick<EdgedParts, "cri" | "clock" | "events" | "logger" | "node">;

/** What must be known of a container to end it. */
export type Killable = Pick<RuntimeContainer, "id" | "name" | "state" | "preStop" | "ports"> &
  Partial<Pick<RuntimeContainer, "gracePeriodSeconds">>;

export interface ContainerEnd {
  /** For the event. */
  readonly message?: string;
  readonly failed?: ContainerKill["failed"];
  /** Wins over all that pod and probe say. */
  readonly graceSeconds?: number | undefined;
  readonly order?: TerminationOrder | undefined;
  /** Where hooks reach the pod. */
  readonly podIP: string | undefined;
  /** Ids of containers whose hook need not run: it has, before the time was cut short. */
  readonly hooksRun?: Set<string> | undefined;
}

/**
 * Stops a container: its hook runs, it waits for its turn, then SIGTERM, and SIGKILL when the grace period is over. Hook
 * and turn take from that period, but for {@link STOP_GRACE_SECONDS_MIN}.
 */
export async function killContainer(
  pod: Pod,
  record: Killable,
  end: ContainerEnd,
  parts: KillParts,
  signal: AbortSignal,
): Promise<void> {
  const { name, id } = record;
  const container = containerOf(pod, name);
  parts.events.normal(pod, "Killing", end.message ?? `Stopping container ${name}`, name);
  const beganMs = parts.clock.monotonic();
  const graceSeconds = end.graceSeconds ?? restartGraceSeconds(pod, container, end.failed, record.gracePeriodSeconds);
  // Whole seconds, and no more than have passed: who was quick loses nothing.
  const left = () => graceSeconds - Math.floor((parts.clock.monotonic() - beganMs) / 1000);
  if (end.hooksRun?.has(id) !== true) {
    end.hooksRun?.add(id);
    await runPreStop(pod, container, record, left(), end.podIP, parts, signal);
  }
  if (end.order !== undefined && left() > 0) await end.order.turnOf(name, left() * 1000, signal);
  await parts.cri.runtime.stopContainer(id, Math.max(STOP_GRACE_SECONDS_MIN, left()), signal);
  end.order?.ended(name);
}

/** Its failure is told, and keeps nobody from ending. */
async function runPreStop(
  pod: Pod,
  container: Container | undefined,
  record: Killable,
  graceSeconds: number,
  podIP: string | undefined,
  parts: KillParts,
  signal: AbortSignal,
): Promise<void> {
  // The pod's object may be gone: what the container was made with is written on it.
  const hook = container === undefined ? record.preStop : container.lifecycle?.preStop;
  if (hook === undefined || graceSeconds <= 0 || record.state !== "running") return;
  const owner = { pod, container: container ?? record, containerId: record.id, podIP };
  try {
    await withDeadline(graceSeconds * 1000, signal, (late) => runHook(hook, owner, parts, late));
  } catch (error) {
    signal.throwIfAborted();
    const { name: podName } = pod.metadata ?? {};
    parts.logger.info({ pod: podName, container: record.name, error }, "preStop hook failed");
    // A sleep that is cut short has done what it is for. What a hook said may be secret: it is in the log alone.
    if (hook.sleep === undefined || !(error instanceof DeadlineError))
      parts.events.warn(pod, "FailedPreStopHook", "PreStopHook failed", record.name);
  }
}

function containerOf({ spec }: Pod, name: string): Container | undefined {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = spec ?? {};
  return [...containers, ...initContainers, ...ephemeralContainers].find((one) => one.name === name);
}

/** Where hooks and probes reach the pod; `undefined` while it has no address. */
export function podAddress({ spec }: Pod, { sandboxes }: RuntimePod, { node }: Pick<EdgedParts, "node">) {
  return spec?.hostNetwork === true ? node.hostIPs()[0] : sandboxes[0]?.ips[0];
}

/**
 * Stops all of a pod: its containers together, but for sidecars, which wait for those that they serve; then the sandboxes
 * with their networks.
 *
 * @param end what holds for all of its containers.
 */
export async function killPod(
  pod: Pod,
  runtime: RuntimePod,
  end: Pick<ContainerEnd, "graceSeconds" | "hooksRun">,
  parts: KillParts,
  signal: AbortSignal,
): Promise<void> {
  const running = runningContainers(runtime);
  const order = new TerminationOrder(
    pod,
    running.map(({ name }) => name),
  );
  const podIP = podAddress(pod, runtime, parts);
  const kills = running.map((record) => killContainer(pod, record, { ...end, order, podIP }, parts, signal));
  for (const outcome of await Promise.allSettled(kills)) if (outcome.status === "rejected") throw outcome.reason;
  await Promise.all(runtime.sandboxes.map(({ id }) => parts.cri.runtime.stopPodSandbox(id, signal)));
}
