import { createHash } from "node:crypto";
import { canonicalJson, cloneJson, equalJson, type PodTemplateSpec } from "@kedge/kube";

export const POD_TEMPLATE_HASH = "pod-template-hash";
/** Kubernetes' alphabet for generated names: no vowels, so no words. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const HASH_CHARACTERS = 10;

/** A short name for a template's content. @param collisionCount makes another one when a name is taken. */
export function podTemplateHash(template: PodTemplateSpec, collisionCount = 0): string {
  const digest = createHash("sha256")
    .update(canonicalJson(withoutHash(template)))
    .update(`/${collisionCount}`)
    .digest();
  return Array.from(digest.subarray(0, HASH_CHARACTERS), (byte) => ALPHABET[byte % ALPHABET.length]).join("");
}

/** Whether both templates make the same pods; the hash label itself does not count. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return equalJson(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { metadata, ...rest } = cloneJson(template);
  if (metadata === undefined) return rest;
  // The server writes `creationTimestamp: null` into some templates and not into others.
  const { creationTimestamp: _, labels, ...others } = metadata;
  if (labels !== undefined) delete labels[POD_TEMPLATE_HASH];
  const kept = labels === undefined || Object.keys(labels).length === 0 ? others : { ...others, labels };
  return Object.keys(kept).length === 0 ? rest : { ...rest, metadata: kept };
}
