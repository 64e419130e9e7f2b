import type { Pod } from "@kedge/kube";
import { parseTime } from "../status/kube-time.ts";
import type { PodVerdict } from "../status/pod-status.ts";

/** ms until the pod has been active for longer than it may; `undefined`: it may for ever. */
export function activeDeadlineMs(pod: Pod, nowMs: number): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  const startMs = parseTime(pod.status?.startTime);
  if (seconds === undefined || Number.isNaN(startMs)) return undefined;
  return Math.max(0, startMs + seconds * 1000 - nowMs);
}

export const DEADLINE_EXCEEDED: PodVerdict = {
  phase: "Failed",
  reason: "DeadlineExceeded",
  message: "Pod was active on the node longer than the specified deadline",
};
