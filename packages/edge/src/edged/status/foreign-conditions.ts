import type { PodCondition, PodStatus } from "@kedge/kube";
import { OWN_CONDITIONS } from "./pod-conditions.ts";

/** Reason of a `DisruptionTarget` that the node itself decided on. */
export const TERMINATED_BY_US = "TerminationByKubelet";

/** Whether a condition is the node's to tell; others come from controllers, such as those of readiness gates. */
export function isOwnCondition({ type, reason }: PodCondition): boolean {
  return OWN_CONDITIONS.includes(type) || (type === "DisruptionTarget" && reason === TERMINATED_BY_US);
}

/** @returns `ours` with others' conditions as the cluster has them now. */
export function withForeignConditions(ours: PodStatus, theirs: PodStatus | undefined): PodStatus {
  const foreign = (theirs?.conditions ?? []).filter((condition) => !isOwnCondition(condition));
  const kept = (ours.conditions ?? []).filter(isOwnCondition);
  const added = foreign.filter(({ type }) => !kept.some((condition) => condition.type === type));
  return { ...ours, conditions: [...kept, ...added] };
}

/** How the conditions stand that the pod's readiness waits for. */
export function gateStates({
  spec,
  status,
}: {
  spec?: { readinessGates?: { conditionType: string }[] };
  status?: PodStatus;
}) {
  return (spec?.readinessGates ?? []).map(
    ({ conditionType }) => status?.conditions?.find(({ type }) => type === conditionType)?.status,
  );
}
