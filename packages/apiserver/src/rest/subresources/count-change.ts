import type { KubeObject } from "@kedge/kube";

/** Somebody wants something else of it: `metadata.generation` tells. */
export function countChange(object: KubeObject): void {
  object.metadata = { ...object.metadata, generation: (object.metadata?.generation ?? 0) + 1 };
}
