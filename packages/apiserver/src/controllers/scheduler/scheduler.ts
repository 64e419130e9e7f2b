import {
  findCondition,
  keyOf,
  type Node,
  PERSISTENT_VOLUME_CLAIMS,
  type PersistentVolumeClaim,
  type Pod,
  PODS,
  withCondition,
} from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode, toError } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { isPodFinished } from "../pods/pod-state.ts";
import { NodeViews } from "./node-views.ts";
import { planPlacement } from "./plan-placement.ts";
import { podVolumes } from "./pod-volumes.ts";
import { BY_CLAIM } from "../shared-informers.ts";
import { SELECTED_NODE } from "../storage/storage-names.ts";

const SCHEDULER_NAME = "default-scheduler";
/** Should no change wake an unschedulable pod, it is looked at this often. */
const RETRY_UNSCHEDULABLE_MS = 60_000;
/** Bindings on their way to the API server. */
const BINDINGS_MAX = 32;

/** Chooses a node for each pod that has none. One pod at a time: each decision counts for the next. */
export function startScheduler(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers, localPath } = context;
  const { pods, nodes, namespaces, claims, persistentVolumes, storageClasses } = informers;
  const recorder = context.recorder(SCHEDULER_NAME);
  const views = new NodeViews(nodes, pods);
  const unschedulable = new Set<string>();
  const bindings = new Set<Promise<void>>();

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const pod = pods.get(key);
    if (pod === undefined || !isWaiting(pod) || views.hasAssumed(pod)) {
      unschedulable.delete(key);
      return {};
    }
    const labelsOf = (namespace: string) => namespaces.get(namespace)?.metadata?.labels ?? {};
    const volumes = podVolumes(pod, { claims, persistentVolumes, storageClasses, localPath });
    const placement = planPlacement(pod, views.list(), labelsOf, volumes);
    if (placement.nodeName === undefined) {
      unschedulable.add(key);
      await tellUnschedulable(pod, placement.message, signal);
      return { requeueAfterMs: RETRY_UNSCHEDULABLE_MS };
    }
    if (volumes.refusal === undefined && volumes.unbound.length > 0) {
      unschedulable.add(key);
      await selectNode(volumes.unbound, placement.nodeName, signal);
      return { requeueAfterMs: RETRY_UNSCHEDULABLE_MS }; // or when its claims are bound
    }
    unschedulable.delete(key);
    views.assume(pod, placement.nodeName);
    await bindInBackground(key, pod, placement.nodeName, signal);
    return {};
  }

  /** The next decision does not wait for this one to be stored. */
  async function bindInBackground(key: string, pod: Pod, nodeName: string, signal: AbortSignal): Promise<void> {
    while (bindings.size >= BINDINGS_MAX) await Promise.race(bindings);
    const binding = bind(pod, nodeName, signal)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        context.logger.debug({ pod: key, node: nodeName, error: toError(error) }, "binding failed");
        loop.queue.addRateLimited(key);
      })
      .finally(() => bindings.delete(binding));
    bindings.add(binding);
  }

  async function bind(pod: Pod, nodeName: string, signal: AbortSignal): Promise<void> {
    const { namespace, name = "", uid } = pod.metadata ?? {};
    try {
      const target = { apiVersion: "v1", kind: "Node", name: nodeName };
      const metadata = { namespace, name, ...(uid === undefined ? {} : { uid }) };
      const binding = { apiVersion: "v1", kind: "Binding", metadata, target };
      await kube.createSubresource(PODS, { namespace, name }, "binding", binding, signal);
    } catch (error) {
      views.withdraw(pod);
      if (hasCode(error, "NotFound")) return; // the pod went away meanwhile; its node's absence shows in the cache
      const message = `binding rejected: ${toError(error).message}`;
      recorder.record(PODS, pod, "Warning", "FailedScheduling", message);
      throw error;
    }
    const message = `Successfully assigned ${namespace}/${name} to ${nodeName}`;
    recorder.record(PODS, pod, "Normal", "Scheduled", message);
  }

  /** Volumes are found, or made, where the pod is to run; it is bound to the node once they are there. */
  async function selectNode(unbound: readonly PersistentVolumeClaim[], nodeName: string, signal: AbortSignal) {
    for (const { metadata } of unbound) {
      if (metadata?.annotations?.[SELECTED_NODE] === nodeName) continue;
      const { namespace, name = "", uid, resourceVersion } = metadata ?? {};
      const body = { metadata: { uid, resourceVersion, annotations: { [SELECTED_NODE]: nodeName } } };
      await kube.patch(PERSISTENT_VOLUME_CLAIMS, { namespace, name }, { type: "merge", body }, signal);
    }
  }

  async function tellUnschedulable(pod: Pod, message: string, signal: AbortSignal): Promise<void> {
    const { generation } = pod.metadata ?? {};
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message, ...observed };
    const before = findCondition(pod.status?.conditions, "PodScheduled");
    if (before?.status === "False" && before.reason === condition.reason && before.message === message) return;
    recorder.record(PODS, pod, "Warning", "FailedScheduling", message);
    const { namespace, name = "", uid } = pod.metadata ?? {};
    const conditions = withCondition([], condition, nowIso(clock.now(), before?.status, before?.lastTransitionTime));
    const body = { metadata: { uid }, status: { conditions } };
    try {
      await kube.patch(PODS, { namespace, name }, { type: "strategic", body }, signal, { subresource: "status" });
    } catch (error) {
      if (!hasCode(error, "NotFound") && !hasCode(error, "Conflict")) throw error;
    }
  }

  function retryUnschedulable(): void {
    // What matters most comes first when room is scarce.
    const priority = (key: string) => pods.get(key)?.spec?.priority ?? 0;
    for (const key of [...unschedulable].sort((a, b) => priority(b) - priority(a))) loop.queue.add(key);
  }

  const loop = new ControllerLoop(
    "scheduler",
    context,
    [pods, nodes, namespaces, claims, persistentVolumes, storageClasses],
    reconcile,
  );
  loop.on(pods, function* (old, object) {
    views.podChanged(old, object);
    const pod = object ?? old;
    if (pod === undefined) return;
    const key = keyOf(pod);
    if (object === undefined) unschedulable.delete(key);
    else if (isWaiting(object) && specOrLabelsChanged(old, object)) yield key;
    // Something gave room, or became a neighbour that others want to be near to.
    const freed =
      old?.spec?.nodeName !== undefined && !isPodFinished(old) && (object === undefined || isPodFinished(object));
    const arrived = object?.spec?.nodeName !== undefined && old?.spec?.nodeName === undefined;
    if (freed || arrived) retryUnschedulable();
  });
  loop.on(nodes, (old, object) => {
    views.nodeChanged((object ?? old)?.metadata?.name ?? "");
    if (nodeChangeMatters(old, object)) retryUnschedulable();
    return [];
  });
  loop.on(claims, (old, claim) =>
    pods
      .byIndex(BY_CLAIM, keyOf(claim ?? old ?? {}))
      .filter(isWaiting)
      .map((pod) => keyOf(pod)),
  );
  const placeAgain = () => {
    retryUnschedulable();
    return [];
  };
  loop.on(persistentVolumes, placeAgain);
  loop.on(storageClasses, placeAgain);
  return loop;
}

/** The condition's transition time stays while its status does. */
function nowIso(nowMs: number, statusBefore: string | undefined, since: string | undefined): string {
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  return statusBefore === "False" ? (since ?? now) : now;
}

function isWaiting(pod: Pod): boolean {
  return (
    pod.spec?.nodeName === undefined &&
    (pod.spec?.schedulerName ?? SCHEDULER_NAME) === SCHEDULER_NAME &&
    pod.metadata?.deletionTimestamp === undefined &&
    !isPodFinished(pod)
  );
}

/** Our own status write must not bring the pod back at once. */
function specOrLabelsChanged(old: Pod | undefined, pod: Pod): boolean {
  if (old === undefined) return true;
  return (
    old.metadata?.generation !== pod.metadata?.generation ||
    JSON.stringify([old.spec, old.metadata?.labels]) !== JSON.stringify([pod.spec, pod.metadata?.labels])
  );
}

/** Not the heartbeat. */
function nodeChangeMatters(old: Node | undefined, node: Node | undefined): boolean {
  if (node === undefined) return false;
  const seen = (each: Node) => JSON.stringify([each.spec, each.metadata?.labels, each.status?.allocatable]);
  return old === undefined || seen(old) !== seen(node);
}
