import { type Pod, type ReplicaSet, withCondition } from "@kedge/kube";
import { availableInMs, isPodActive, isPodReady } from "../pods/pod-state.ts";

export type ReplicaSetStatus = NonNullable<ReplicaSet["status"]>;

export interface ReplicaFailure {
  readonly reason: "FailedCreate" | "FailedDelete";
  readonly message: string;
}

/** The status that these pods make, and after how many ms time alone will change it. */
export function replicaSetStatus(
  replicaSet: ReplicaSet,
  pods: readonly Pod[],
  failure: ReplicaFailure | undefined,
  nowMs: number,
): { readonly status: ReplicaSetStatus; readonly requeueAfterMs: number | undefined } {
  const { minReadySeconds = 0, template } = replicaSet.spec ?? {};
  const templateLabels = Object.entries(template?.metadata?.labels ?? {});
  let [fullyLabeledReplicas, readyReplicas, availableReplicas] = [0, 0, 0];
  let requeueAfterMs: number | undefined;
  const active = pods.filter(isPodActive);
  for (const pod of active) {
    if (templateLabels.every(([key, value]) => pod.metadata?.labels?.[key] === value)) fullyLabeledReplicas += 1;
    if (!isPodReady(pod)) continue;
    readyReplicas += 1;
    const wait = availableInMs(pod, minReadySeconds, nowMs);
    if (wait === 0) availableReplicas += 1;
    else if (wait !== undefined) requeueAfterMs = Math.min(requeueAfterMs ?? Infinity, wait);
  }
  const old = (replicaSet.status?.conditions ?? []).filter(
    ({ type }) => failure !== undefined || type !== "ReplicaFailure",
  );
  const conditions =
    failure === undefined
      ? old
      : withCondition(old, { type: "ReplicaFailure", status: "True", ...failure }, new Date(nowMs).toISOString());
  const status: ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas,
    readyReplicas,
    availableReplicas,
    ...(replicaSet.metadata?.generation === undefined ? {} : { observedGeneration: replicaSet.metadata.generation }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
  return { status, requeueAfterMs };
}
