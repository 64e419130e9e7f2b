import {
  controllerReference,
  type Deployment,
  DEPLOYMENTS,
  equalJson,
  findCondition,
  type LabelSelector,
  type ReplicaSet,
} from "@kedge/kube";
import { newReplicaSetAnnotations, REVISION, replicasAnnotations, revisionOf } from "./deployment-annotations.ts";
import { type DeploymentStatus, deploymentStatus, isComplete, outlived, reason } from "./deployment-status.ts";
import { newReplicas, planRollingUpdate } from "./plan-rolling-update.ts";
import { byAge, planScaling, replicasOf, type Scaling, wasScaled } from "./plan-scaling.ts";
import { POD_TEMPLATE_HASH, podTemplateHash, sameTemplate } from "./pod-template-hash.ts";
import { rolloutBounds } from "./rollout-bounds.ts";

/** What one look at a Deployment asks to do. Further looks follow, as each write changes what is seen. */
export interface DeploymentPlan {
  readonly create: ReplicaSet | undefined;
  /** ReplicaSets to write, and the replicas that they had. */
  readonly updates: readonly { readonly replicaSet: ReplicaSet; readonly replicasBefore: number }[];
  readonly remove: readonly ReplicaSet[];
  /** `deployment.kubernetes.io/revision` of the Deployment, where it must change. */
  readonly revision: string | undefined;
  readonly status: DeploymentStatus;
  readonly requeueAfterMs: number | undefined;
}

export interface DeploymentView {
  readonly deployment: Deployment;
  /** All that it owns. */
  readonly replicaSets: readonly ReplicaSet[];
  /** Whether pods of other templates than the current one still run. */
  readonly oldPodsRun: boolean;
  readonly nowMs: number;
}

/** The ReplicaSet of the Deployment's current template: the oldest, should there be several. */
export function findCurrent(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...replicaSets].sort(byAge).find((each) => sameTemplate(each.spec?.template, deployment.spec?.template));
}

export function planDeployment(view: DeploymentView): DeploymentPlan {
  const { deployment, replicaSets, nowMs } = view;
  const current = findCurrent(deployment, replicaSets);
  const old = replicaSets.filter((each) => each !== current);
  const idle = { create: undefined, updates: [], remove: [], revision: undefined };
  if (deployment.metadata?.deletionTimestamp !== undefined)
    return { ...idle, ...deploymentStatus({ deployment, current, old, nowMs }) };

  const paused = deployment.spec?.paused === true;
  const revision = Math.max(0, ...old.map(revisionOf)) + 1;
  const scaled = paused || wasScaled(deployment, replicaSets);
  const recreate = deployment.spec?.strategy?.type === "Recreate";
  const oldDown = recreate && !scaled ? scaleAllDown(old) : [];
  const mayCreate = !scaled && oldDown.length === 0 && !(recreate && view.oldPodsRun);
  if (current === undefined && mayCreate) {
    const create = newReplicaSet(deployment, replicaSets, revision);
    const message = `Created new replica set "${create.metadata?.name}"`;
    const progress = reason("Progressing", "True", "NewReplicaSetCreated", message);
    return { ...idle, create, ...deploymentStatus({ deployment, current, old, progress, nowMs }) };
  }

  let scalings: readonly Scaling[] = oldDown;
  if (scaled) scalings = planScaling(deployment, current, old);
  else if (oldDown.length === 0 && current !== undefined && mayCreate)
    scalings = recreate ? scaleUp(deployment, current) : planRollingUpdate(deployment, current, old);

  const found =
    current !== undefined && findCondition(deployment.status?.conditions, "Progressing") === undefined
      ? reason("Progressing", "True", "FoundNewReplicaSet", `Found new replica set "${current.metadata?.name}"`)
      : undefined;
  const { status, requeueAfterMs } = deploymentStatus({ deployment, current, old, progress: found, nowMs });
  const tidy = paused || (scalings.length === 0 && isComplete(deployment, status));
  return {
    create: undefined,
    updates: replicaSetUpdates(deployment, current, replicaSets, scalings, revision, scaled),
    remove: tidy ? outlived(deployment, old, revisionOf) : [],
    revision: current === undefined ? undefined : changedRevision(deployment, Math.max(revision, revisionOf(current))),
    status,
    requeueAfterMs,
  };
}

function changedRevision(deployment: Deployment, revision: number): string | undefined {
  return revisionOf(deployment) === revision ? undefined : String(revision);
}

function scaleAllDown(replicaSets: readonly ReplicaSet[]): Scaling[] {
  return replicaSets.filter((each) => replicasOf(each) > 0).map((replicaSet) => ({ replicaSet, replicas: 0 }));
}

function scaleUp(deployment: Deployment, current: ReplicaSet): Scaling[] {
  const { replicas } = rolloutBounds(deployment);
  return replicasOf(current) === replicas ? [] : [{ replicaSet: current, replicas }];
}

/** Sizes and annotations together, so that each ReplicaSet is written once. */
function replicaSetUpdates(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  scalings: readonly Scaling[],
  revision: number,
  scaled: boolean,
): DeploymentPlan["updates"] {
  const { replicas: desired, maxSurge } = rolloutBounds(deployment);
  const sizes = new Map(scalings.map(({ replicaSet, replicas }) => [replicaSet, replicas]));
  const updates: { replicaSet: ReplicaSet; replicasBefore: number }[] = [];
  for (const replicaSet of all) {
    const replicas = sizes.get(replicaSet) ?? replicasOf(replicaSet);
    let annotations = { ...replicaSet.metadata?.annotations };
    if (replicaSet === current) annotations = newReplicaSetAnnotations(deployment, annotations, revision);
    // The numbers are noted with every change of size, and, once the user scaled, on all that run.
    if (sizes.has(replicaSet) || (scaled && replicas > 0))
      annotations = { ...annotations, ...replicasAnnotations(desired, desired + maxSurge) };
    const { minReadySeconds } = deployment.spec ?? {};
    const spec = { ...replicaSet.spec, replicas, selector: replicaSet.spec?.selector ?? {} };
    if (replicaSet === current && minReadySeconds !== undefined) spec.minReadySeconds = minReadySeconds;
    if (equalJson(spec, replicaSet.spec) && equalJson(annotations, replicaSet.metadata?.annotations ?? {})) continue;
    updates.push({
      replicaSet: { ...replicaSet, metadata: { ...replicaSet.metadata, annotations }, spec },
      replicasBefore: replicasOf(replicaSet),
    });
  }
  return updates;
}

function newReplicaSet(deployment: Deployment, existing: readonly ReplicaSet[], revision: number): ReplicaSet {
  const template = deployment.spec?.template ?? {};
  const hash = podTemplateHash(template, deployment.status?.collisionCount);
  const withHash = (labels: Record<string, string> | undefined) => ({ ...labels, [POD_TEMPLATE_HASH]: hash });
  const selector: LabelSelector = {
    ...deployment.spec?.selector,
    matchLabels: withHash(deployment.spec?.selector.matchLabels),
  };
  const { replicas, maxSurge } = rolloutBounds(deployment);
  const { minReadySeconds } = deployment.spec ?? {};
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${deployment.metadata?.name}-${hash}`,
      ...(deployment.metadata?.namespace === undefined ? {} : { namespace: deployment.metadata.namespace }),
      labels: withHash(template.metadata?.labels),
      annotations: {
        ...newReplicaSetAnnotations(deployment, {}, revision),
        ...replicasAnnotations(replicas, replicas + maxSurge),
        [REVISION]: String(revision),
      },
      ownerReferences: [controllerReference(deployment, DEPLOYMENTS)],
    },
    spec: {
      replicas: newReplicas(deployment, existing, 0),
      selector,
      template: { ...template, metadata: { ...template.metadata, labels: withHash(template.metadata?.labels) } },
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
    },
  };
}
