import {
  controllerOf,
  equalJson,
  KubeApiError,
  keyOf,
  type Pod,
  PODS,
  REPLICA_SETS,
  type ReplicaSet,
} from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode, toError } from "@kedge/runtime";
import { claimChildren } from "../claim-children.ts";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { PendingWrites } from "../pending-writes.ts";
import { createSlowly } from "../pods/create-slowly.ts";
import { podFromTemplate } from "../pods/pod-from-template.ts";
import { selecting } from "../selecting.ts";
import { BY_NAMESPACE } from "../shared-informers.ts";
import { planReplicas, type ReplicasPlan } from "./plan-replicas.ts";
import { type ReplicaFailure, replicaSetStatus } from "./replicaset-status.ts";

const WORKERS = 4;

/** Keeps as many pods as each ReplicaSet asks for. */
export function startReplicaSetController(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers } = context;
  const { replicaSets, pods } = informers;
  const recorder = context.recorder("replicaset-controller");
  const pending = new PendingWrites(pods, clock);

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const replicaSet = replicaSets.get(key);
    if (replicaSet === undefined) {
      pending.forget(key);
      return {};
    }
    const waitMs = pending.waitMs(key);
    if (waitMs !== undefined) return { requeueAfterMs: waitMs }; // the pods' events wake us earlier
    const owned = await claimChildren(kube, REPLICA_SETS, replicaSet, replicaSet.spec?.selector, pods, signal);
    const plan = planReplicas(replicaSet, owned);
    const failure = await carryOut(key, replicaSet, plan, signal);
    const requeueAfterMs = await writeStatus(replicaSet, owned, failure?.condition, signal);
    // Whatever it was, it may heal: a quota that frees, a webhook that comes back.
    if (failure !== undefined) throw new Error(failure.condition.message, { cause: failure.error });
    return { requeueAfterMs };
  }

  async function carryOut(
    key: string,
    replicaSet: ReplicaSet,
    plan: ReplicasPlan,
    signal: AbortSignal,
  ): Promise<{ condition: ReplicaFailure; error: unknown } | undefined> {
    const template = replicaSet.spec?.template;
    if (plan.create > 0 && template !== undefined) {
      const error = await createSlowly(plan.create, async () => {
        const pod = await kube.create(PODS, podFromTemplate(replicaSet, REPLICA_SETS, template), signal);
        pending.created(key, pod);
        recorder.record(REPLICA_SETS, replicaSet, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata?.name}`);
      });
      // Nothing can be created where all is being deleted; the ReplicaSet goes next.
      if (error !== undefined && !isNamespaceTerminating(error))
        return failed(replicaSet, "FailedCreate", "creating", error);
    }
    for (const pod of plan.remove) {
      try {
        await deletePod(pod, signal);
        pending.deleted(key, pod);
        recorder.record(REPLICA_SETS, replicaSet, "Normal", "SuccessfulDelete", `Deleted pod: ${pod.metadata?.name}`);
      } catch (error) {
        return failed(replicaSet, "FailedDelete", "deleting", error);
      }
    }
    return undefined;
  }

  function failed(replicaSet: ReplicaSet, reason: ReplicaFailure["reason"], doing: string, error: unknown) {
    const { message } = toError(error);
    recorder.record(REPLICA_SETS, replicaSet, "Warning", reason, `Error ${doing}: ${message}`);
    return { condition: { reason, message }, error };
  }

  async function deletePod(pod: Pod, signal: AbortSignal): Promise<void> {
    const { namespace, name = "", uid } = pod.metadata ?? {};
    const options = uid === undefined ? {} : { preconditions: { uid } };
    try {
      await kube.delete(PODS, { namespace, name }, signal, options);
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error; // gone is what we wanted
    }
  }

  async function writeStatus(
    replicaSet: ReplicaSet,
    owned: readonly Pod[],
    failure: ReplicaFailure | undefined,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { status, requeueAfterMs } = replicaSetStatus(replicaSet, owned, failure, clock.now());
    if (!equalJson(status, replicaSet.status))
      await kube.update(REPLICA_SETS, { ...replicaSet, status }, signal, { subresource: "status" });
    return requeueAfterMs;
  }

  const loop = new ControllerLoop("replicaset", context, [replicaSets, pods], reconcile, WORKERS);
  loop.on(replicaSets, (old, object) => [keyOf(object ?? old ?? {})]);
  loop.on(pods, function* (old, object) {
    for (const pod of [old, object]) {
      if (pod === undefined) continue;
      const controller = controllerOf(pod);
      if (controller?.kind === "ReplicaSet") yield `${pod.metadata?.namespace}/${controller.name}`;
    }
    if (object !== undefined && controllerOf(object) === undefined)
      for (const replicaSet of selecting(replicaSets.byIndex(BY_NAMESPACE, object.metadata?.namespace ?? ""), object))
        yield keyOf(replicaSet);
  });
  return loop;
}

function isNamespaceTerminating(error: unknown): boolean {
  const causes = error instanceof KubeApiError ? (error.status.details?.causes ?? []) : [];
  return causes.some(({ reason }) => reason === "NamespaceTerminating");
}
