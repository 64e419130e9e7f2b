import type { KubeObject } from "@kedge/kube";
import { compareVersions } from "../cloudhub/compare-versions.ts";
import type { SyncRecord } from "../cloudhub/sync-record.ts";

/** What the edge must still hear, given what the API server holds and what the edge last acknowledged. */
export function planObjectSync(object: KubeObject | undefined, record: SyncRecord): "delete" | "update" | "none" {
  // Same name, other UID: deleted and created anew while the edge was away.
  if (object?.metadata?.uid !== record.uid) return "delete";
  // Versions that cannot be compared are sent: once too often does no harm (W27).
  return (compareVersions(object.metadata.resourceVersion, record.version) ?? 1) > 0 ? "update" : "none";
}
