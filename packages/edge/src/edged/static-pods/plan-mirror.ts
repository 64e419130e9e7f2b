import type { Pod } from "@kedge/kube";
import { mirroredHash } from "./static-pod-annotations.ts";

export type MirrorPlan = "create" | "delete" | "none";

/**
 * What to do so that the API shows the static pod as it is.
 *
 * @param wanted the static pod of this name; `undefined`: its file is gone.
 * @param mirror what the API has under this name.
 * @param runs whether a pod with this uid still has something here.
 */
export function planMirror(
  wanted: Pod | undefined,
  mirror: Pod | undefined,
  runs: (uid: string) => boolean,
): MirrorPlan {
  if (mirror === undefined) return wanted === undefined ? "none" : "create";
  const hash = mirroredHash(mirror) ?? "";
  const isCurrent = wanted?.metadata?.uid === hash;
  // Somebody deleted it: it goes, and comes again, but the pod goes on.
  if (isCurrent) return mirror.metadata?.deletionTimestamp === undefined ? "none" : "delete";
  // What it shows ends first: nobody may take it for gone before.
  return runs(hash) ? "none" : "delete";
}
