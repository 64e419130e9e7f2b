import { type Deployment, type DeploymentCondition, findCondition, type ReplicaSet } from "@kedge/kube";
import { replicasOf, totalAvailable, totalReplicas } from "./plan-scaling.ts";
import { rolloutBounds } from "./rollout-bounds.ts";

export type DeploymentStatus = NonNullable<Deployment["status"]>;
type Reason = Pick<DeploymentCondition, "type" | "status" | "reason" | "message">;

/** What the API takes for "no deadline". */
const NO_DEADLINE_SECONDS = 2_147_483_647;

export interface StatusInput {
  readonly deployment: Deployment;
  readonly current: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
  /** What this reconcile did that the conditions shall tell. */
  readonly progress?: Reason | undefined;
  readonly collisionCount?: number | undefined;
  readonly nowMs: number;
}

/** The status as `kubectl rollout status` reads it, and after how many ms the deadline may pass. */
export function deploymentStatus(input: StatusInput): {
  readonly status: DeploymentStatus;
  readonly requeueAfterMs: number | undefined;
} {
  const { deployment, current, old, nowMs } = input;
  const all = current === undefined ? old : [...old, current];
  const sum = (member: "replicas" | "readyReplicas") =>
    all.reduce((total, each) => total + (each.status?.[member] ?? 0), 0);
  const availableReplicas = totalAvailable(all);
  const collisionCount = input.collisionCount ?? deployment.status?.collisionCount;
  const counts = {
    replicas: sum("replicas"),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum("readyReplicas"),
    availableReplicas,
    unavailableReplicas: Math.max(0, totalReplicas(all) - availableReplicas),
    ...(deployment.metadata?.generation === undefined ? {} : { observedGeneration: deployment.metadata.generation }),
    ...(collisionCount === undefined ? {} : { collisionCount }),
  };
  const conditions = new ConditionList(deployment.status?.conditions ?? [], nowMs);
  const { replicas, maxUnavailable } = rolloutBounds(deployment);
  conditions.set(
    availableReplicas >= replicas - maxUnavailable
      ? reason("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
      : reason("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
  );
  if (input.progress !== undefined) conditions.set(input.progress);
  const requeueAfterMs = setProgress(conditions, counts, input);
  const failure = all.flatMap((each) => each.status?.conditions ?? []).find(({ type }) => type === "ReplicaFailure");
  if (failure === undefined) conditions.remove("ReplicaFailure");
  else conditions.set(reason("ReplicaFailure", failure.status, failure.reason ?? "", failure.message ?? ""));
  return { status: { ...counts, conditions: conditions.list }, requeueAfterMs };
}

/** @returns after how many ms the deadline passes if nothing moves until then. */
function setProgress(conditions: ConditionList, counts: DeploymentStatus, input: StatusInput): number | undefined {
  const { deployment, current, nowMs } = input;
  const deadlineSeconds = deployment.spec?.progressDeadlineSeconds ?? NO_DEADLINE_SECONDS;
  if (deadlineSeconds === NO_DEADLINE_SECONDS) {
    conditions.remove("Progressing");
    return undefined;
  }
  const before = conditions.find("Progressing");
  const name = deployment.metadata?.name ?? "";
  if (deployment.spec?.paused === true) {
    if (before?.reason !== "DeploymentPaused")
      conditions.set(reason("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"));
    return undefined;
  }
  if (before?.reason === "DeploymentPaused") {
    conditions.set(reason("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"));
    return deadlineSeconds * 1000;
  }
  // Once done, a pod that fails later is no lack of progress of a rollout.
  if (before?.reason === "NewReplicaSetAvailable" && counts.replicas === counts.updatedReplicas) return undefined;
  const subject = current === undefined ? `Deployment "${name}"` : `ReplicaSet "${current.metadata?.name}"`;
  if (isComplete(deployment, counts)) {
    conditions.set(reason("Progressing", "True", "NewReplicaSetAvailable", `${subject} has successfully progressed.`));
    return undefined;
  }
  if (hasMoved(deployment.status ?? {}, counts)) {
    conditions.refresh(reason("Progressing", "True", "ReplicaSetUpdated", `${subject} is progressing.`));
    return deadlineSeconds * 1000;
  }
  if (before === undefined || before.reason === "NewReplicaSetAvailable") return undefined;
  if (before.reason === "ProgressDeadlineExceeded") return undefined;
  const leftMs = Date.parse(before.lastUpdateTime ?? "") + deadlineSeconds * 1000 - nowMs;
  if (leftMs > 0) return leftMs;
  conditions.set(reason("Progressing", "False", "ProgressDeadlineExceeded", `${subject} has timed out progressing.`));
  return undefined;
}

/** All pods are of the current template, available, and no other is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const { replicas } = rolloutBounds(deployment);
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function hasMoved(before: DeploymentStatus, now: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus) => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (now.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

export function reason(type: string, status: string, reasonText: string, message: string): Reason {
  return { type, status, reason: reasonText, message };
}

/** A Deployment's conditions have an update time beside the transition time, and keep both while nothing changes. */
class ConditionList {
  #conditions: DeploymentCondition[];
  readonly #now: string;

  constructor(conditions: readonly DeploymentCondition[], nowMs: number) {
    this.#conditions = [...conditions];
    this.#now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  }

  get list(): DeploymentCondition[] {
    return this.#conditions;
  }

  find(type: string): DeploymentCondition | undefined {
    return findCondition(this.#conditions, type);
  }

  set(next: Reason): void {
    const before = this.find(next.type);
    if (before?.status !== next.status || before.reason !== next.reason) this.refresh(next);
  }

  /** Also when nothing but the time changes. */
  refresh(next: Reason): void {
    const before = this.find(next.type);
    const since = before?.status === next.status ? (before.lastTransitionTime ?? this.#now) : this.#now;
    const condition = { ...next, lastUpdateTime: this.#now, lastTransitionTime: since };
    this.#conditions =
      before === undefined
        ? [...this.#conditions, condition]
        : this.#conditions.map((each) => (each.type === next.type ? condition : each));
  }

  remove(type: string): void {
    this.#conditions = this.#conditions.filter((each) => each.type !== type);
  }
}

/** Old ReplicaSets beyond `revisionHistoryLimit` that hold nothing any more, the oldest revisions first. */
export function outlived(deployment: Deployment, old: readonly ReplicaSet[], revision: (each: ReplicaSet) => number) {
  const limit = deployment.spec?.revisionHistoryLimit;
  const kept = old.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  if (limit === undefined || kept.length <= limit) return [];
  return [...kept]
    .sort((a, b) => revision(a) - revision(b))
    .slice(0, kept.length - limit)
    .filter(
      (each) =>
        replicasOf(each) === 0 &&
        (each.status?.replicas ?? 0) === 0 &&
        (each.metadata?.generation ?? 0) <= (each.status?.observedGeneration ?? 0),
    );
}
