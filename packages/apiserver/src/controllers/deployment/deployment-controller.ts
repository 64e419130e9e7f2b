import {
  controllerOf,
  type Deployment,
  DEPLOYMENTS,
  equalJson,
  isControlledBy,
  keyOf,
  REPLICA_SETS,
  type ReplicaSet,
} from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { claimChildren } from "../claim-children.ts";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { isPodFinished } from "../pods/pod-state.ts";
import { selecting } from "../selecting.ts";
import { BY_NAMESPACE, BY_OWNER } from "../shared-informers.ts";
import { REVISION } from "./deployment-annotations.ts";
import { type DeploymentPlan, findCurrent, planDeployment } from "./plan-deployment.ts";
import { sameTemplate } from "./pod-template-hash.ts";

const WORKERS = 4;

/** Rolls Deployments out over ReplicaSets. */
export function startDeploymentController(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers } = context;
  const { deployments, replicaSets, pods } = informers;
  const recorder = context.recorder("deployment-controller");

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const deployment = deployments.get(key);
    if (deployment === undefined) return {};
    const owned = await claimChildren(kube, DEPLOYMENTS, deployment, deployment.spec?.selector, replicaSets, signal);
    const current = findCurrent(deployment, owned);
    const plan = planDeployment({
      deployment,
      replicaSets: owned,
      oldPodsRun: owned.some((each) => each !== current && hasRunningPods(each)),
      nowMs: clock.now(),
    });
    for (const update of plan.updates) await updateReplicaSet(deployment, update, signal);
    for (const { metadata } of plan.remove)
      await kube.delete(REPLICA_SETS, { namespace: metadata?.namespace, name: metadata?.name ?? "" }, signal, {
        propagationPolicy: "Background",
        ...(metadata?.uid === undefined ? {} : { preconditions: { uid: metadata.uid } }),
      });
    const collided = plan.create !== undefined && !(await createReplicaSet(deployment, plan.create, signal));
    await writeRevision(deployment, plan, signal);
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    await writeStatus(deployment, collided ? { ...plan.status, collisionCount } : plan.status, signal);
    return { requeueAfterMs: plan.requeueAfterMs };
  }

  function hasRunningPods(replicaSet: ReplicaSet): boolean {
    return pods.byIndex(BY_OWNER, replicaSet.metadata?.uid ?? "").some((pod) => !isPodFinished(pod));
  }

  async function updateReplicaSet(
    deployment: Deployment,
    { replicaSet, replicasBefore }: DeploymentPlan["updates"][number],
    signal: AbortSignal,
  ): Promise<void> {
    await kube.update(REPLICA_SETS, replicaSet, signal);
    const replicas = replicaSet.spec?.replicas ?? 1;
    if (replicas !== replicasBefore) tellScaling(deployment, replicaSet, replicasBefore, replicas);
  }

  function tellScaling(deployment: Deployment, replicaSet: ReplicaSet, from: number, to: number): void {
    const message = `Scaled ${to > from ? "up" : "down"} replica set ${replicaSet.metadata?.name} from ${from} to ${to}`;
    recorder.record(DEPLOYMENTS, deployment, "Normal", "ScalingReplicaSet", message);
  }

  /** @returns false when another template has taken the name. */
  async function createReplicaSet(deployment: Deployment, create: ReplicaSet, signal: AbortSignal): Promise<boolean> {
    try {
      const created = await kube.create(REPLICA_SETS, create, signal);
      const replicas = created.spec?.replicas ?? 1;
      if (replicas > 0) tellScaling(deployment, created, 0, replicas);
      return true;
    } catch (error) {
      if (!hasCode(error, "AlreadyExists")) {
        const message = `Failed to create new replica set "${create.metadata?.name}": ${(error as Error).message}`;
        recorder.record(DEPLOYMENTS, deployment, "Warning", "ReplicaSetCreateError", message);
        throw error;
      }
      const { namespace, name = "" } = create.metadata ?? {};
      const taken = await kube.get(REPLICA_SETS, { namespace, name }, signal);
      // Ours, and our cache was behind: its event will wake us.
      return isControlledBy(taken, deployment) && sameTemplate(taken.spec?.template, create.spec?.template);
    }
  }

  async function writeRevision(deployment: Deployment, plan: DeploymentPlan, signal: AbortSignal): Promise<void> {
    const { revision } = plan;
    if (revision === undefined) return;
    const { namespace, name = "", uid } = deployment.metadata ?? {};
    const key = { namespace, name };
    const patch = { type: "merge", body: { metadata: { uid, annotations: { [REVISION]: revision } } } } as const;
    // With the status an annotation does not count as a new generation, where the server takes it at all.
    const patched = await kube.patch(DEPLOYMENTS, key, patch, signal, { subresource: "status" });
    if (patched.metadata?.annotations?.[REVISION] !== revision) await kube.patch(DEPLOYMENTS, key, patch, signal);
  }

  async function writeStatus(deployment: Deployment, status: Deployment["status"], signal: AbortSignal): Promise<void> {
    if (status === undefined || equalJson(status, deployment.status)) return;
    const { namespace, name = "", uid } = deployment.metadata ?? {};
    // A patch, since the revision may just have been written; only this controller writes the status.
    const body = { metadata: { uid }, status };
    await kube.patch(DEPLOYMENTS, { namespace, name }, { type: "merge", body }, signal, { subresource: "status" });
  }

  const loop = new ControllerLoop("deployment", context, [deployments, replicaSets, pods], reconcile, WORKERS);
  loop.on(deployments, (old, object) => [keyOf(object ?? old ?? {})]);
  loop.on(replicaSets, function* (old, object) {
    for (const replicaSet of [old, object]) {
      if (replicaSet === undefined) continue;
      const owner = controllerOf(replicaSet);
      if (owner?.kind === "Deployment") yield `${replicaSet.metadata?.namespace}/${owner.name}`;
    }
    if (object !== undefined && controllerOf(object) === undefined)
      for (const deployment of selecting(deployments.byIndex(BY_NAMESPACE, object.metadata?.namespace ?? ""), object))
        yield keyOf(deployment);
  });
  // Recreate waits for the last old pod to be gone.
  loop.on(pods, function* (old, object) {
    const ended = old !== undefined && !isPodFinished(old) && (object === undefined || isPodFinished(object));
    const owner = ended ? controllerOf(old) : undefined;
    if (owner?.kind !== "ReplicaSet") return;
    const parent = controllerOf(replicaSets.get(`${old?.metadata?.namespace}/${owner.name}`) ?? {});
    if (parent?.kind === "Deployment") yield `${old?.metadata?.namespace}/${parent.name}`;
  });
  return loop;
}
