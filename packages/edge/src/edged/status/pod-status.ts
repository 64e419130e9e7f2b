import type { ContainerStatus, Pod, PodCondition, PodStatus } from "@kedge/kube";
import { isInitialized } from "../pods/plan-init-containers.ts";
import { containersToReset, mayRestartAll, restartsAll } from "../pods/restart-policy.ts";
import { qosClassOf } from "../resources/qos-class.ts";
import { isStopped, type RuntimePod } from "../runtime/runtime-pod.ts";
import { type ContainerFacts, containerStatuses } from "./container-statuses.ts";
import { endContainers } from "./end-of-containers.ts";
import { TERMINATED_BY_US } from "./foreign-conditions.ts";
import { toTime } from "./kube-time.ts";
import { OWN_CONDITIONS, podConditions } from "./pod-conditions.ts";
import { podIPsOf } from "./pod-ips.ts";
import { podPhase } from "./pod-phase.ts";

/** Why a pod ended, or never began, whatever its containers did: `DeadlineExceeded`, `NodePorts`, … */
export interface PodVerdict {
  readonly phase: "Failed" | "Succeeded";
  readonly reason: string;
  readonly message: string;
  /** The node ended it for its own sake: the condition `DisruptionTarget` says so, too. */
  readonly isDisruption?: boolean;
  /** What that condition says, if not {@link message}. */
  readonly disruption?: string;
}

export interface StatusFacts extends ContainerFacts {
  readonly hostIPs: readonly string[];
  /** Wall clock, ms. */
  readonly nowMs: number;
  readonly verdict: PodVerdict | undefined;
  /** How the devices are that a container has. */
  readonly devices?: (container: string) => NonNullable<ContainerStatus["allocatedResourcesStatus"]>;
  /** Stopped for good: what has not said how it ended never will. */
  readonly over: boolean;
  /** How it is with a change of its resources. */
  readonly resize?: readonly Pick<PodCondition, "type" | "reason" | "message">[];
}

const TERMINAL: readonly string[] = ["Succeeded", "Failed"];

export function isTerminal(phase: string | undefined): boolean {
  return phase !== undefined && TERMINAL.includes(phase);
}

/** @param pod its `status` is what we last reported: what the runtime has forgotten is taken from there. */
export function podStatus(pod: Pod, runtime: RuntimePod, facts: StatusFacts): PodStatus {
  const before = pod.status ?? {};
  const init = containerStatuses(pod, runtime, "init", facts);
  const regular = containerStatuses(pod, runtime, "regular", facts);
  for (const status of regular) {
    const devices = facts.devices?.(status.name) ?? [];
    if (devices.length > 0) status.allocatedResourcesStatus = devices;
  }
  const ephemeral = containerStatuses(pod, runtime, "ephemeral", facts);
  const initialized = isInitialized(pod, runtime) || (runtime.sandboxes.length === 0 && wasInitialized(before));

  let phase = podPhase(pod, { init, regular, initialized, over: facts.over });
  if (facts.over) endContainers(pod, init, regular, ephemeral);
  if (before.phase === "Succeeded" || before.phase === "Failed") phase = before.phase; // there is no way back
  else if (facts.verdict !== undefined) phase = facts.verdict.phase;
  const conditionsPhase = phase;
  if (facts.over && !isTerminal(phase)) phase = "Failed"; // deleted before it came to an end by itself
  // Nobody may take a pod's place while a container of it still runs.
  if (isTerminal(phase) && !isTerminal(before.phase) && !facts.over && !isStopped(runtime) && hasRunning(runtime))
    phase = lastingPhase(before.phase);

  const [sandbox] = runtime.sandboxes;
  const hostNetwork = pod.spec?.hostNetwork === true;
  const sandboxReady = sandbox?.ready === true && (hostNetwork || sandbox.ips.length > 0) && !facts.over;
  const podIPs = podIPsOf(pod, runtime, facts.hostIPs);
  const now = toTime(facts.nowMs);
  const restartingAll = mayRestartAll(pod)
    ? restartsAll(pod, runtime) && containersToReset(pod, runtime).length > 0
    : undefined;
  const conditionFacts = {
    phase: conditionsPhase,
    init,
    regular,
    restartingAll,
    sandboxReady,
    passing: facts.resize ?? [],
  };
  // While a container runs the pod still is what it was, and so is why.
  const why = !isTerminal(phase) ? undefined : (facts.verdict ?? (isTerminal(before.phase) ? before : undefined));
  const { generation } = pod.metadata ?? {};
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    phase,
    ...(why?.reason !== undefined && { reason: why.reason }),
    ...(why?.message !== undefined && { message: why.message }),
    conditions: [...podConditions(pod, conditionFacts, now), ...otherConditions(pod, facts.verdict, now)],
    ...(facts.hostIPs[0] !== undefined && { hostIP: facts.hostIPs[0], hostIPs: facts.hostIPs.map((ip) => ({ ip })) }),
    ...(podIPs[0] !== undefined && { podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) }),
    startTime: before.startTime ?? now,
    ...(init.length > 0 && { initContainerStatuses: init }),
    containerStatuses: regular,
    ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral }),
    qosClass: before.qosClass ?? qosClassOf(pod),
  };
}

/**
 * What is told of a pod that has come to its end while it is not cleaned up yet: all but that it has. Who waits for the end
 * may take its place then.
 */
export function untilOver(ended: PodStatus, before: string | undefined): PodStatus {
  const { reason: _, message: __, ...status } = ended;
  return { ...status, phase: lastingPhase(before) };
}

function lastingPhase(before: string | undefined): "Pending" | "Running" {
  return before === "Pending" || before === undefined ? "Pending" : "Running";
}

function hasRunning(runtime: RuntimePod): boolean {
  return runtime.containers.some(({ state }) => state === "running");
}

function wasInitialized({ conditions = [] }: PodStatus): boolean {
  return conditions.some(({ type, status }) => type === "Initialized" && status === "True");
}

function otherConditions({ metadata, status }: Pod, verdict: PodVerdict | undefined, now: string): PodCondition[] {
  const { conditions = [] } = status ?? {};
  const foreign = conditions.filter(({ type }) => !OWN_CONDITIONS.includes(type));
  if (verdict?.isDisruption !== true) return foreign;
  const type = "DisruptionTarget";
  const known = foreign.find((condition) => condition.type === type && condition.reason === TERMINATED_BY_US);
  const { generation } = metadata ?? {};
  const ours: PodCondition = known ?? {
    type,
    ...(generation !== undefined && { observedGeneration: generation }),
    status: "True",
    reason: TERMINATED_BY_US,
    message: verdict.disruption ?? verdict.message,
    lastTransitionTime: now,
  };
  return [...foreign.filter((condition) => condition.type !== type), ours];
}
