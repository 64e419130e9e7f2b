import { findCondition, type Node, NODES, type Pod, PODS } from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { isPodReady } from "../pods/pod-state.ts";
import { BY_NODE } from "../shared-informers.ts";
import { planNodeHealth, planTaints } from "./plan-node-health.ts";

/** Declares silent nodes `Unknown`, taints nodes by their conditions, and takes lost pods out of Services. */
export function startNodeHealthController(context: ControllerContext): ControllerLoop {
  const { kube, clock, informers, timings } = context;
  const { nodes, nodeLeases, pods } = informers;
  const recorder = context.recorder("node-controller");
  /** Node → when we last saw a sign of life. */
  const heardAt = new Map<string, number>();

  async function reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const node = nodes.get(name);
    if (node === undefined) {
      heardAt.delete(name);
      return {};
    }
    const silentMs = clock.monotonic() - (heardAt.get(name) ?? clock.monotonic());
    const { conditions, recheckAfterMs } = planNodeHealth(node, silentMs, timings, nowIso());
    if (conditions.length > 0) {
      const body = { metadata: { uid: node.metadata?.uid }, status: { conditions } };
      await kube.patch(NODES, { name }, { type: "strategic", body }, signal, { subresource: "status" });
      recorder.record(NODES, node, "Normal", "NodeNotReady", `Node ${name} status is now: NodeNotReady`);
      return {}; // the changed node brings us back
    }
    const taints = planTaints(node, nowIso());
    if (taints !== undefined) {
      // A merge patch replaces the list: only as long as nobody else changed the node.
      const { uid, resourceVersion } = node.metadata ?? {};
      const body = { metadata: { uid, resourceVersion }, spec: { taints } };
      await kube.patch(NODES, { name }, { type: "merge", body }, signal);
    }
    if (findCondition(node.status?.conditions, "Ready")?.status === "Unknown") await markPodsNotReady(node, signal);
    return { requeueAfterMs: recheckAfterMs };
  }

  /** Only where the kubelet is silent: while it speaks, it knows better than we do. */
  async function markPodsNotReady(node: Node, signal: AbortSignal): Promise<void> {
    for (const pod of pods.byIndex(BY_NODE, node.metadata?.name ?? "")) {
      if (!isPodReady(pod)) continue;
      const { namespace, name = "", uid } = pod.metadata ?? {};
      const condition = { type: "Ready", status: "False", lastTransitionTime: nowIso() };
      const body = { metadata: { uid }, status: { conditions: [condition] } };
      try {
        await kube.patch(PODS, { namespace, name }, { type: "strategic", body }, signal, { subresource: "status" });
        recorder.record(PODS, pod, "Warning", "NodeNotReady", "Node is not ready");
      } catch (error) {
        if (!hasCode(error, "NotFound")) throw error;
      }
    }
  }

  function nowIso(): string {
    return new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
  }

  const loop = new ControllerLoop("node-health", context, [nodes, nodeLeases, pods], reconcile);
  loop.on(nodes, (old, object) => {
    const name = (object ?? old)?.metadata?.name ?? "";
    // Our own writes change the node, too: a sign of life is only what a kubelet writes.
    if (object !== undefined && (old === undefined || heartbeatOf(old) !== heartbeatOf(object)))
      heardAt.set(name, clock.monotonic());
    return [name];
  });
  loop.on(nodeLeases, (old, object) => {
    const name = object?.metadata?.name;
    if (name === undefined || old?.spec?.renewTime === object?.spec?.renewTime) return [];
    if (nodes.get(name) !== undefined) heardAt.set(name, clock.monotonic());
    return [];
  });
  loop.on(pods, function* (_: Pod | undefined, pod) {
    const name = pod?.spec?.nodeName;
    if (pod === undefined || name === undefined || !isPodReady(pod)) return;
    if (findCondition(nodes.get(name)?.status?.conditions, "Ready")?.status === "Unknown") yield name;
  });
  return loop;
}

/** We never write `lastHeartbeatTime` anew, and nobody else writes `Unknown`. */
function heartbeatOf(node: Node): string {
  const ready = findCondition(node.status?.conditions, "Ready");
  return `${ready?.lastHeartbeatTime}/${ready?.status === "Unknown" ? "" : ready?.status}`;
}
