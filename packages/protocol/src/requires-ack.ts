import { Group, OK, Operation, Source, VOLUME_OPERATIONS } from "./catalogue.ts";
import type { Message } from "./message.ts";
import { parseResource } from "./resource-path.ts";
import { isErrorContent } from "./response-content.ts";

/** What EdgeController says under these types are answers to requests; the edge repeats the request if one is lost. */
const ANSWERED_TYPES: ReadonlySet<string> = new Set([
  "lease",
  "nodepatch",
  "podpatch",
  "podstatus",
  "certificatesigningrequest",
  "claimsize",
  "csidriver",
  "runtimeclass",
  "csinode",
]);

/**
 * Whether the edge must acknowledge a message of the cloud.
 *
 * KubeEdge searches the whole resource for words, so that a ConfigMap called `team-membership` is never delivered
 * reliably (W19); we look at the part that holds the type.
 *
 * @param message with its wire resource: {@link trimNodePrefix} was applied.
 * @see `cloud-edge-protocol` §5.2.
 */
export function requiresAck({ route, content }: Message): boolean {
  const { source, group, operation = "", resource = "" } = route;
  // Group `hub`: answers that only our own ends give to each other, to somebody who waits.
  if (group === Group.user || group === Group.hub) return false;
  if (source === Source.taskManager || source === Source.nodeUpgradeJobController) return false;
  if (operation === Operation.applicationResponse || VOLUME_OPERATIONS.has(operation)) return false;
  if (operation === Operation.response && (content === OK || isErrorContent(content))) return false;
  if (isNodeLevelResource(resource)) return false;
  const type = parseResource(resource)?.type;
  if (type === "podlist" || type === "serviceaccounttoken") return false;
  if (source !== Source.edgeController || type === undefined) return true;
  if (type === "node") return operation === Operation.update;
  if (type === "pod") return operation !== Operation.response;
  return !ANSWERED_TYPES.has(type);
}

/** `membership`, `membership/detail`, `k8s/ca.crt`, and `device/<id>/twin/cloud_updated` of old clouds. */
function isNodeLevelResource(resource: string): boolean {
  if (resource === "k8s/ca.crt" || resource === "membership" || resource === "membership/detail") return true;
  return resource.startsWith("device/") && resource.endsWith("/twin/cloud_updated");
}
