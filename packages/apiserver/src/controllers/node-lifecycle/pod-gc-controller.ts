import { LEASES, NODES, type Pod, PODS } from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { disruptionTarget } from "../pods/disruption-target.ts";
import { isPodFinished } from "../pods/pod-state.ts";
import { NODE_LEASE_NAMESPACE } from "../shared-informers.ts";

/** Ended pods that are kept for users to look at; beyond, the oldest go. */
export const FINISHED_PODS_MAX = 12_500;
const SWEEP = "sweep";

/** Removes what no kubelet will ever finish: pods and leases of deleted nodes, and ended pods beyond a number. */
export function startPodGcController(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers, timings } = context;
  const { nodes, pods, nodeLeases } = informers;
  /** Node that is not there → since when we know. */
  const goneSince = new Map<string, number>();

  async function reconcile(_: string, signal: AbortSignal): Promise<ReconcileResult> {
    const orphans = findOrphans(pods.list(), (name) => nodes.get(name) !== undefined);
    const leases = nodeLeases.list().map(({ metadata }) => metadata?.name ?? "");
    const missing = new Set([...orphans.keys(), ...leases.filter((name) => nodes.get(name) === undefined)]);
    const now = clock.monotonic();
    for (const name of goneSince.keys()) if (!missing.has(name)) goneSince.delete(name);
    for (const name of missing) {
      const since = goneSince.get(name) ?? now;
      goneSince.set(name, since);
      // Asked of the server: the cache may be behind a node that was just created.
      if (now - since < timings.nodeGoneMs || (await nodeExists(name, signal))) continue;
      for (const pod of orphans.get(name) ?? []) await removePod(pod, signal);
      await removeLease(name, signal);
    }
    for (const pod of pods.list().filter(isUnscheduledAndTerminating)) await removePod(pod, signal);
    for (const pod of finishedBeyond(pods.list(), FINISHED_PODS_MAX)) await removePod(pod, signal);
    return { requeueAfterMs: timings.podGcMs };
  }

  async function nodeExists(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      await kube.get(NODES, { name }, signal);
      return true;
    } catch (error) {
      if (hasCode(error, "NotFound")) return false;
      throw error;
    }
  }

  async function removePod(pod: Pod, signal: AbortSignal): Promise<void> {
    const { namespace, name = "", uid } = pod.metadata ?? {};
    const key = { namespace, name };
    try {
      if (!isPodFinished(pod) && pod.spec?.nodeName !== undefined) {
        const conditions = [disruptionTarget("DeletionByPodGC", "PodGC: node no longer exists", clock.now())];
        const body = { metadata: { uid }, status: { phase: "Failed", conditions } };
        await kube.patch(PODS, key, { type: "strategic", body }, signal, { subresource: "status" });
      }
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      await kube.delete(PODS, key, signal, { gracePeriodSeconds: 0, ...preconditions });
    } catch (error) {
      if (!hasCode(error, "NotFound") && !hasCode(error, "Conflict")) throw error; // gone, or another by now
    }
  }

  async function removeLease(name: string, signal: AbortSignal): Promise<void> {
    try {
      await kube.delete(LEASES, { namespace: NODE_LEASE_NAMESPACE, name }, signal);
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }

  const loop = new ControllerLoop("pod-gc", context, [nodes, pods, nodeLeases], reconcile);
  loop.queue.add(SWEEP);
  loop.on(nodes, (_, node) => {
    if (node !== undefined) return [];
    loop.queue.addAfter(SWEEP, timings.nodeGoneMs + 1);
    return [SWEEP]; // takes note since when it is gone
  });
  return loop;
}

/** Pods bound to nodes that are not there, by node. */
export function findOrphans(pods: readonly Pod[], exists: (nodeName: string) => boolean): Map<string, Pod[]> {
  const orphans = new Map<string, Pod[]>();
  for (const pod of pods) {
    const name = pod.spec?.nodeName;
    if (name === undefined || exists(name)) continue;
    const known = orphans.get(name);
    if (known === undefined) orphans.set(name, [pod]);
    else known.push(pod);
  }
  return orphans;
}

/** Nobody will confirm the end of a pod that never ran. */
function isUnscheduledAndTerminating(pod: Pod): boolean {
  return pod.metadata?.deletionTimestamp !== undefined && pod.spec?.nodeName === undefined;
}

/** The oldest of more than `max` ended pods. */
export function finishedBeyond(pods: readonly Pod[], max: number): Pod[] {
  const finished = pods.filter(isPodFinished);
  if (finished.length <= max) return [];
  const created = (pod: Pod) => Date.parse(pod.metadata?.creationTimestamp ?? "") || 0;
  return finished.sort((a, b) => created(a) - created(b)).slice(0, finished.length - max);
}
