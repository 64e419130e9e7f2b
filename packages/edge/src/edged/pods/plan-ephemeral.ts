import type { EphemeralContainer, Pod } from "@kedge/kube";
import { newestContainer, type RuntimePod } from "../runtime/runtime-pod.ts";

/**
 * Containers that somebody has put into the running pod to look at it, and that have not been made yet. They start before
 * all others, also while the pod is still being initialized, and only ever once.
 */
export function planEphemeral(pod: Pod, runtime: RuntimePod): EphemeralContainer[] {
  if (pod.metadata?.deletionTimestamp !== undefined) return [];
  return (pod.spec?.ephemeralContainers ?? []).filter(
    ({ name }) => newestContainer(runtime, name) === undefined && !hasBegun(pod, name),
  );
}

/** The runtime's record may be gone: with a host that was set up anew, say. */
function hasBegun({ status }: Pod, name: string): boolean {
  const state = status?.ephemeralContainerStatuses?.find((one) => one.name === name)?.state;
  return state?.running !== undefined || state?.terminated !== undefined;
}
