import type { ContainerStatus, Pod, PodCondition } from "@kedge/kube";
import { isSidecar } from "../pods/plan-init-containers.ts";
import type { PodPhase } from "./pod-phase.ts";

const RESTARTING_ALL_CONDITION = "AllContainersRestarting";

/** Those that a kubelet owns; whoever else adds some keeps them. */
export const OWN_CONDITIONS: readonly string[] = [
  "PodReadyToStartContainers",
  "Initialized",
  "Ready",
  "ContainersReady",
  "PodScheduled",
  RESTARTING_ALL_CONDITION,
  "PodResizePending",
  "PodResizeInProgress",
];

/** Of these only the ones that hold are there. */
export const PASSING_CONDITIONS: readonly string[] = ["PodResizePending", "PodResizeInProgress"];

type Verdict = Pick<PodCondition, "reason" | "message"> & { readonly status: "True" | "False" };

interface ConditionFacts {
  readonly phase: PodPhase;
  /** Some container's end may make all start anew: whether that is under way; `undefined`: none may. */
  readonly restartingAll: boolean | undefined;
  readonly init: readonly ContainerStatus[];
  readonly regular: readonly ContainerStatus[];
  /** Its sandbox is ready and has an address. */
  readonly sandboxReady: boolean;
  /** Of {@link PASSING_CONDITIONS}, those that hold. */
  readonly passing: readonly Pick<PodCondition, "type" | "reason" | "message">[];
}

const TRUE: Verdict = { status: "True" };

/** In a kubelet's order; `lastTransitionTime` moves only with the status. */
export function podConditions(pod: Pod, facts: ConditionFacts, now: string): PodCondition[] {
  const containersReady = judgeContainersReady(pod, facts);
  const verdicts: Record<string, Verdict> = {
    PodReadyToStartContainers: { status: facts.sandboxReady ? "True" : "False" },
    Initialized: judgeInitialized(pod, facts),
    Ready: judgeReady(pod, containersReady),
    ContainersReady: containersReady,
    PodScheduled: TRUE,
    ...(facts.restartingAll !== undefined && {
      AllContainersRestarting: judgeRestartingAll(facts.phase, facts.restartingAll),
    }),
    ...Object.fromEntries(facts.passing.map(({ type, ...why }) => [type, { status: "True" as const, ...why }])),
  };
  const before = new Map((pod.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const { generation } = pod.metadata ?? {};
  return Object.entries(verdicts).map(([type, { status, reason, message }]) => {
    const old = before.get(type);
    const unchanged = old?.status === status && old.lastTransitionTime !== undefined;
    return {
      type,
      status,
      ...(generation !== undefined && type !== RESTARTING_ALL_CONDITION && { observedGeneration: generation }),
      ...(reason !== undefined && { reason }),
      ...(message !== undefined && message !== "" && { message }),
      lastTransitionTime: unchanged ? (old.lastTransitionTime ?? now) : now,
    };
  });
}

function judgeRestartingAll(phase: PodPhase, isUnderWay: boolean): Verdict {
  if (phase === "Succeeded") return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { status: "False", reason: "PodFailed" };
  if (!isUnderWay) return { status: "False" };
  return {
    status: "True",
    reason: "RestartAllContainersStarted",
    message: "container exited with restart policy rule",
  };
}

function judgeInitialized(pod: Pod, { phase, init, regular }: ConditionFacts): Verdict {
  const containers = pod.spec?.initContainers ?? [];
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of containers) {
    const status = init.find(({ name }) => name === container.name);
    if (status === undefined) unknown.push(container.name);
    else if (isSidecar(container) ? status.started !== true : status.ready !== true) incomplete.push(container.name);
  }
  if (phase === "Succeeded" && unknown.length === 0) return { status: "True", reason: "PodCompleted" };
  if (unknown.length + incomplete.length === 0 || regular.some(hasStarted)) return TRUE;
  // Who has been initialized stays so, also while all containers start anew.
  if (pod.status?.conditions?.some(({ type, status }) => type === "Initialized" && status === "True")) return TRUE;
  return { status: "False", reason: "ContainersNotInitialized", message: names(unknown, "incomplete", incomplete) };
}

function hasStarted({ state }: ContainerStatus): boolean {
  return state?.running !== undefined || state?.terminated !== undefined;
}

function judgeContainersReady(pod: Pod, { phase, init, regular }: ConditionFacts): Verdict {
  if (phase === "Succeeded") return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { status: "False", reason: "PodFailed" };
  const unknown: string[] = [];
  const unready: string[] = [];
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar);
  for (const { name } of [...sidecars, ...(pod.spec?.containers ?? [])]) {
    const status = [...init, ...regular].find((one) => one.name === name);
    if (status === undefined) unknown.push(name);
    else if (!status.ready) unready.push(name);
  }
  if (unknown.length === 0 && unready.length === 0) return TRUE;
  return { status: "False", reason: "ContainersNotReady", message: names(unknown, "unready", unready) };
}

function judgeReady(pod: Pod, containersReady: Verdict): Verdict {
  if (containersReady.status === "False") return containersReady;
  const gates = (pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = pod.status?.conditions?.find(({ type }) => type === conditionType);
    if (condition === undefined)
      return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (condition.status === "True") return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  return gates.length === 0 ? TRUE : { status: "False", reason: "ReadinessGatesNotReady", message: gates.join(", ") };
}

function names(unknown: readonly string[], word: string, others: readonly string[]): string {
  return [
    ...(unknown.length > 0 ? [`containers with unknown status: [${unknown.join(" ")}]`] : []),
    ...(others.length > 0 ? [`containers with ${word} status: [${others.join(" ")}]`] : []),
  ].join(", ");
}
