import type { PodCondition } from "@kedge/kube";

/** Tells users, and Jobs, that a pod did not fail by itself but was taken away. */
export function disruptionTarget(reason: string, message: string, nowMs: number): PodCondition {
  const lastTransitionTime = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  return { type: "DisruptionTarget", status: "True", reason, message, lastTransitionTime };
}
