import { type ContainerStatus, findCondition, isConditionTrue, type Pod } from "@kedge/kube";
import {
  AGE_COLUMN,
  ageOf,
  column,
  humanDuration,
  NAME_COLUMN,
  nameOf,
  NONE,
  type Printer,
  WIDE,
} from "../printing.ts";

export const podPrinter: Printer<Pod> = {
  columns: [
    NAME_COLUMN,
    column("Ready", "How many of the pod's containers are ready."),
    column("Status", "What the pod is doing, or why it does not."),
    column("Restarts", "How often containers of the pod were restarted, and when last."),
    AGE_COLUMN,
    column("IP", "Address of the pod.", WIDE),
    column("Node", "Node that the pod is bound to.", WIDE),
    column("Nominated Node", "Node where room is being made for the pod.", WIDE),
    column("Readiness Gates", "How many of the pod's readiness gates are open.", WIDE),
  ],
  cells(pod, nowMs) {
    const { ready, total, reason, restarts, lastRestartMs } = summarize(pod);
    const ago = restarts > 0 && lastRestartMs > 0 ? ` (${humanDuration(nowMs - lastRestartMs)} ago)` : "";
    const { spec, status } = pod;
    return [
      nameOf(pod),
      `${ready}/${total}`,
      reason,
      `${restarts}${ago}`,
      ageOf(pod, nowMs),
      status?.podIPs?.[0]?.ip || NONE,
      spec?.nodeName || NONE,
      status?.nominatedNodeName || NONE,
      readinessGates(pod),
    ];
  },
};

interface PodSummary {
  readonly ready: number;
  readonly total: number;
  readonly reason: string;
  readonly restarts: number;
  readonly lastRestartMs: number;
}

/** While a pod initializes only its init containers speak, afterwards only its containers and sidecars. */
function summarize(pod: Pod): PodSummary {
  const { spec, status, metadata } = pod;
  const sidecars = sidecarNames(pod);
  const phase = status?.phase ?? "";
  const init = summarizeInit(pod, sidecars);
  const initializing = init.reason !== undefined;
  let reason = init.reason ?? baseReason(pod);
  let ready = init.readySidecars;
  let counted: readonly ContainerStatus[] = status?.initContainerStatuses ?? [];
  if (init.reason !== undefined) counted = counted.slice(0, init.reached);
  if (!initializing || isConditionTrue(status?.conditions, "Initialized")) {
    const main = summarizeContainers(status?.containerStatuses ?? [], pod, reason);
    ready += main.ready;
    reason = main.reason;
    counted = [
      ...(status?.initContainerStatuses ?? []).slice(0, init.reached).filter(({ name }) => sidecars.has(name)),
      ...(status?.containerStatuses ?? []),
    ];
  }
  if (metadata?.deletionTimestamp !== undefined) {
    if (status?.reason === "NodeLost") reason = "Unknown";
    else if (phase !== "Succeeded" && phase !== "Failed") reason = "Terminating";
  }
  return {
    ready,
    total: (spec?.containers ?? []).length + sidecars.size,
    reason,
    restarts: counted.reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0),
    lastRestartMs: Math.max(0, ...counted.map(lastFinishedMs)),
  };
}

function baseReason({ status }: Pod): string {
  if (findCondition(status?.conditions, "PodScheduled")?.reason === "SchedulingGated") return "SchedulingGated";
  return status?.reason || (status?.phase ?? "");
}

function sidecarNames({ spec }: Pod): ReadonlySet<string> {
  const sidecars = (spec?.initContainers ?? []).filter(
    (container) => (container as { restartPolicy?: string }).restartPolicy === "Always",
  );
  return new Set(sidecars.map(({ name }) => name));
}

/** `reason` is absent once all init containers have done their part; `reached`: how many statuses were looked at. */
function summarizeInit(
  { spec, status }: Pod,
  sidecars: ReadonlySet<string>,
): { reason: string | undefined; readySidecars: number; reached: number } {
  let readySidecars = 0;
  const statuses = status?.initContainerStatuses ?? [];
  for (const [index, container] of statuses.entries()) {
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started === true) {
      if (container.ready) readySidecars += 1;
      continue;
    }
    const reached = index + 1;
    if (terminated !== undefined) return { reason: `Init:${terminationReason(terminated)}`, readySidecars, reached };
    if (waiting?.reason && waiting.reason !== "PodInitializing")
      return { reason: `Init:${waiting.reason}`, readySidecars, reached };
    return { reason: `Init:${index}/${(spec?.initContainers ?? []).length}`, readySidecars, reached };
  }
  return { reason: undefined, readySidecars, reached: statuses.length };
}

/** The first container's trouble counts most, so they are asked from last to first. */
function summarizeContainers(
  statuses: readonly ContainerStatus[],
  pod: Pod,
  base: string,
): { ready: number; reason: string } {
  let reason = base;
  let errorReason = "";
  let ready = 0;
  for (const { state, ready: isReady } of statuses.toReversed()) {
    const { waiting, terminated, running } = state ?? {};
    if (waiting?.reason) reason = waiting.reason;
    else if (terminated !== undefined) {
      reason = terminationReason(terminated);
      if (terminated.exitCode !== 0) errorReason = reason;
    } else if (isReady && running !== undefined) ready += 1;
  }
  if (reason !== "Completed") return { ready, reason };
  if (ready > 0 && isConditionTrue(pod.status?.conditions, "Ready")) return { ready, reason: "Running" };
  if (errorReason !== "") return { ready, reason: errorReason };
  return { ready, reason: ready > 0 ? "NotReady" : reason };
}

function terminationReason({
  reason,
  signal,
  exitCode,
}: {
  reason?: string;
  signal?: number;
  exitCode: number;
}): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

function lastFinishedMs({ lastState }: ContainerStatus): number {
  const at = lastState?.terminated?.finishedAt;
  return at === undefined ? 0 : Date.parse(at) || 0;
}

function readinessGates({ spec, status }: Pod): string {
  const gates = spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const open = gates.filter(({ conditionType }) => isConditionTrue(status?.conditions, conditionType));
  return `${open.length}/${gates.length}`;
}
