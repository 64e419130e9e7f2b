import type { KubeObject, ObjectMeta } from "@kedge/kube";

export type MutableMetadata = { -readonly [K in keyof ObjectMeta]: ObjectMeta[K] };

/** An object's metadata, made if absent, also with what only the server sets. */
export function metadataOf(object: KubeObject): MutableMetadata {
  return (object.metadata ??= {});
}
