import type { ClusterObjectSync, ObjectSync } from "@kedge/api";
import type { KubeObject } from "@kedge/kube";

/** Which object a record is about. */
export interface SyncedObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** Absent: cluster-scoped, its record is a ClusterObjectSync. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly uid: string;
}

/** What one node has acknowledged of one object. */
export interface SyncRecord extends SyncedObject {
  readonly node: string;
  /** `0`: sent, not acknowledged yet. */
  readonly version: string;
}

/** Never acknowledged. KubeEdge leaves an empty version behind when it fails in between; that means the same (W20). */
export const NOT_ACKNOWLEDGED = "0";

/** What a record needs to know of an object; `undefined` if it has no UID, and so no record (W18). */
export function syncedObjectOf(content: unknown): SyncedObject | undefined {
  if (typeof content !== "object" || content === null) return undefined;
  const { apiVersion = "", kind = "", metadata } = content as KubeObject;
  const { namespace, name, uid } = metadata ?? {};
  if (typeof uid !== "string" || uid === "" || typeof name !== "string") return undefined;
  return { apiVersion, kind, namespace: namespace === "" ? undefined : namespace, name, uid };
}

/** `<node>.<uid>`: the record's name. */
export function recordName(node: string, uid: string): string {
  return `${node}.${uid}`;
}

/** The node in a record's name: all before the last dot, since nodes' names may have dots and UIDs have none. */
export function nodeOfRecord(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(".")));
}

export function readRecord(stored: ObjectSync | ClusterObjectSync): SyncRecord {
  const { namespace, name = "" } = stored.metadata ?? {};
  const version = stored.status?.objectResourceVersion ?? "";
  return {
    node: nodeOfRecord(name),
    uid: name.slice(name.lastIndexOf(".") + 1),
    namespace,
    name: stored.spec?.objectName ?? "",
    apiVersion: stored.spec?.objectAPIVersion ?? "",
    kind: stored.spec?.objectKind ?? "",
    version: version === "" ? NOT_ACKNOWLEDGED : version,
  };
}
