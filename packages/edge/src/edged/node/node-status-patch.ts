import { isJsonObject, type JsonValue, type Node, NODE_STATUS_PATCH_SCHEMA, strategicDiff } from "@kedge/kube";
import { OWN_CONDITIONS } from "./node-conditions.ts";

export interface NodeStatusPatch {
  /** Strategic merge patch, as JSON text. */
  readonly patch: string;
  /** Whether it says more than that the node is alive. */
  readonly significant: boolean;
}

/**
 * What turns the node that we last heard of into `next`. Our conditions are told whole: the cluster may have changed
 * them since (to Unknown, while we were cut off) without our knowing.
 */
export function nodeStatusPatch(base: Node, next: Node): NodeStatusPatch {
  const beat = { ...next, status: { ...next.status, conditions: withoutHeartbeat(next) } };
  const still = { ...base, status: { ...base.status, conditions: withoutHeartbeat(base) } };
  const significant = Object.keys(strategicDiff(still, beat, NODE_STATUS_PATCH_SCHEMA)).length > 0;

  const patch = strategicDiff(base, next, NODE_STATUS_PATCH_SCHEMA);
  const status = isJsonObject(patch["status"]) ? patch["status"] : (patch["status"] = {});
  status["conditions"] = plain((next.status?.conditions ?? []).filter(({ type }) => OWN_CONDITIONS.has(type)));
  if (status["addresses"] !== undefined) {
    // Two addresses may have one type, which the merge key cannot tell apart: the list is replaced.
    status["addresses"] = plain([...(next.status?.addresses ?? []), { $patch: "replace" }]);
    delete status["$setElementOrder/addresses"];
  }
  return { patch: JSON.stringify(patch), significant };
}

function withoutHeartbeat(node: Node) {
  return (node.status?.conditions ?? []).map((condition) => ({ ...condition, lastHeartbeatTime: undefined }));
}

function plain(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}
