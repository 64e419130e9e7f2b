import { keyOf, type Node, type Pod, PODS } from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { disruptionTarget } from "../pods/disruption-target.ts";
import { BY_NODE } from "../shared-informers.ts";
import { evictionDelayMs } from "./plan-eviction.ts";

/** Removes pods from nodes with `NoExecute` taints once they do not tolerate them (any longer). */
export function startTaintEvictionController(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers } = context;
  const { nodes, pods } = informers;
  const recorder = context.recorder("taint-eviction-controller");
  /** Node → when its present taints were first seen, for those that do not say when they were added. */
  const taintedSince = new Map<string, number>();

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const pod = pods.get(key);
    const nodeName = pod?.spec?.nodeName;
    if (pod === undefined || nodeName === undefined || pod.metadata?.deletionTimestamp !== undefined) return {};
    const taints = nodes.get(nodeName)?.spec?.taints;
    const delayMs = evictionDelayMs(pod, taints, taintedSince.get(nodeName) ?? clock.now(), clock.now());
    if (delayMs === undefined) return {};
    if (delayMs > 0) return { requeueAfterMs: delayMs };
    await evict(pod, signal);
    return {};
  }

  async function evict(pod: Pod, signal: AbortSignal): Promise<void> {
    const { namespace, name = "", uid } = pod.metadata ?? {};
    const key = { namespace, name };
    const message = "Taint manager: deleting due to NoExecute taint";
    const conditions = [disruptionTarget("DeletionByTaintManager", message, clock.now())];
    const body = { metadata: { uid }, status: { conditions } };
    recorder.record(PODS, pod, "Normal", "TaintManagerEviction", `Marking for deletion Pod ${keyOf(pod)}`);
    try {
      await kube.patch(PODS, key, { type: "strategic", body }, signal, { subresource: "status" });
      await kube.delete(PODS, key, signal, uid === undefined ? {} : { preconditions: { uid } });
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }

  const loop = new ControllerLoop("taint-eviction", context, [nodes, pods], reconcile);
  loop.on(pods, (_, pod) => (pod?.spec?.nodeName === undefined ? [] : [keyOf(pod)]));
  loop.on(nodes, (old, node) => {
    const name = (node ?? old)?.metadata?.name ?? "";
    if (node === undefined) taintedSince.delete(name);
    if (node === undefined || noExecute(old) === noExecute(node)) return [];
    if (noExecute(node) === "[]") taintedSince.delete(name);
    else taintedSince.set(name, taintedSince.get(name) ?? clock.now());
    return pods.byIndex(BY_NODE, name).map(keyOf);
  });
  return loop;
}

function noExecute(node: Node | undefined): string {
  return JSON.stringify((node?.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute"));
}
