import { createHash } from "node:crypto";

/** Types of objects that the cloud keeps in step on a node, as wire resources name them; only these are compared. */
export const DIGEST_TYPES = ["pod", "configmap", "secret", "node", "device", "devicemodel"] as const;
/** Objects are spread over this many buckets by their names, so that a difference names few of them. */
export const DIGEST_BUCKETS = 64;

/** One object that a node holds, or that the cloud believes it to hold. */
export interface HeldObject {
  readonly type: string;
  /** Absent: cluster-scoped. */
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly uid: string;
  readonly version: string;
}

export interface Digest {
  readonly objects: number;
  /** 16 hex digits for each bucket; the order of objects does not matter. */
  readonly buckets: readonly string[];
}

/** Says what is held in 64 × 8 bytes. Equal digests mean equal objects, versions included. */
export function digestOf(held: Iterable<HeldObject>): Digest {
  const sums = new Uint32Array(DIGEST_BUCKETS * 2);
  let objects = 0;
  for (const object of held) {
    const bucket = bucketOf(object);
    const hash = createHash("sha256")
      .update([keyText(object), object.uid, object.version].join("\0"))
      .digest();
    for (const half of [0, 1]) {
      const at = bucket * 2 + half;
      sums[at] = ((sums[at] ?? 0) ^ hash.readUInt32BE(half * 4)) >>> 0;
    }
    objects += 1;
  }
  const hex = (at: number) => (sums[at] ?? 0).toString(16).padStart(8, "0");
  const buckets = Array.from({ length: DIGEST_BUCKETS }, (_, bucket) => hex(bucket * 2) + hex(bucket * 2 + 1));
  return { objects, buckets };
}

/** The whole digest as one short text. */
export function digestRoot({ objects, buckets }: Digest): string {
  return `${objects}:${createHash("sha256").update(buckets.join("")).digest("hex").slice(0, 16)}`;
}

/** The bucket of an object: its identity decides, not its version. */
export function bucketOf(object: Pick<HeldObject, "type" | "namespace" | "name">): number {
  return (createHash("sha256").update(keyText(object)).digest()[0] ?? 0) % DIGEST_BUCKETS;
}

/** Numbers of the buckets in which two digests differ. */
export function differingBuckets(one: readonly string[], other: readonly string[]): number[] {
  return Array.from({ length: DIGEST_BUCKETS }, (_, bucket) => bucket).filter((at) => one[at] !== other[at]);
}

function keyText({ type, namespace = "", name }: Pick<HeldObject, "type" | "namespace" | "name">): string {
  return `${type}/${namespace}/${name}`;
}
