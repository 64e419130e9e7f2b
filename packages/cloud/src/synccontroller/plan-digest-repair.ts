import { bucketOf, DIGEST_TYPES, type HeldObject } from "@kedge/protocol";
import { compareVersions } from "../cloudhub/compare-versions.ts";
import type { SyncRecord } from "../cloudhub/sync-record.ts";

/** What is wrong with one object on a node. */
export type DigestDifference =
  /** The node acknowledged this state and does not have it, or has an older one: its database is another, or older. */
  | { readonly kind: "lost"; readonly record: SyncRecord }
  /** The node holds something of which we have no record: the record went, or the object, and nobody told the node. */
  | { readonly kind: "unrecorded"; readonly held: HeldObject };

/** The records that a digest is made of. */
export function comparedRecords(records: readonly SyncRecord[]): SyncRecord[] {
  return records.filter(({ kind }) => COMPARED.has(kind.toLowerCase()));
}

const COMPARED: ReadonlySet<string> = new Set(DIGEST_TYPES);

export function heldAccordingTo({ kind, namespace, name, uid, version }: SyncRecord): HeldObject {
  return { type: kind.toLowerCase(), ...(namespace !== undefined && { namespace }), name, uid, version };
}

/**
 * Compares what a node lists of some buckets with what it acknowledged. A node that is ahead of its record is none of our
 * business: the acknowledgement is under way.
 *
 * @param more the node holds more than it listed: what is missing in the list may be there.
 */
export function planDigestRepair(
  records: readonly SyncRecord[],
  listed: {
    readonly buckets: readonly number[];
    readonly held: readonly HeldObject[];
    readonly more?: boolean | undefined;
  },
): DigestDifference[] {
  const held = new Map(listed.held.map((object) => [identity(object), object]));
  const differences: DigestDifference[] = [];
  const recorded = new Set<string>();
  for (const record of records) {
    const known = heldAccordingTo(record);
    recorded.add(identity(known));
    if (!listed.buckets.includes(bucketOf(known)) || record.version === "0") continue; // 0: it is on its way
    const found = held.get(identity(known));
    const older = found !== undefined && (compareVersions(found.version, known.version) ?? -1) < 0;
    if (older || (found === undefined && listed.more !== true)) differences.push({ kind: "lost", record });
  }
  for (const [id, object] of held) if (!recorded.has(id)) differences.push({ kind: "unrecorded", held: object });
  return differences;
}

function identity({ type, namespace = "", name, uid }: HeldObject): string {
  return `${type}/${namespace}/${name}/${uid}`;
}
