import { type Pod, untoleratedTaint } from "@kedge/kube";
import { isCriticalPod, qosClassOf } from "../resources/qos-class.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import type { PressureCondition } from "./eviction-signals.ts";

const MEMORY_TAINT = { key: "node.kubernetes.io/memory-pressure", effect: "NoSchedule" };

/**
 * A node that is short of something takes no new pod that could make it worse: with memory pressure none that asks for
 * nothing (but those that say that they bear it), else none at all. What the node needs itself always comes in.
 */
export function refuseUnderPressure(pod: Pod, conditions: ReadonlySet<PressureCondition>): PodVerdict | undefined {
  if (conditions.size === 0 || isCriticalPod(pod)) return undefined;
  if (conditions.size === 1 && conditions.has("MemoryPressure")) {
    if (qosClassOf(pod) !== "BestEffort") return undefined;
    if (untoleratedTaint([MEMORY_TAINT], pod.spec?.tolerations, ["NoSchedule"]) === undefined) return undefined;
  }
  const message = `Pod was rejected: The node had condition: [${[...conditions].join(" ")}]. `;
  return { phase: "Failed", reason: "Evicted", message };
}
