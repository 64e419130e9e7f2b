import { Group, type Message, Operation, Source } from "@kedge/protocol";

/** Where a message of an edge goes. */
export type UpstreamRoute =
  | { readonly to: "session"; readonly what: "keepalive" | "acknowledgement" | "refusal" }
  | { readonly to: "kubernetesCa" }
  | { readonly to: "edge" }
  | { readonly to: "device" }
  | { readonly to: "digest" }
  /** The answer to a call of the CSI driver. */
  | { readonly to: "csi" }
  /** Parts that do not exist yet: the message is dropped with a line in the log. */
  | { readonly to: "router" | "taskManager" | "dynamicController" }
  | { readonly to: "nobody"; readonly reason: string };

const VOLUME = /^\w[-\w.+]*\/volume\/\w[-\w.+]*/;

/** An edge that claims to be one of these would be taken for the cloud. */
const CLOUD_SOURCES: ReadonlySet<string> = new Set([
  "cloudhub",
  "cloudStream",
  "devicecontroller",
  "edgecontroller",
  "synccontroller",
]);

const TASK_OPERATIONS: ReadonlySet<string> = new Set([
  Operation.prepull,
  Operation.upgrade,
  Operation.updateNodeActionStatus,
]);

/** Of each part of a route. Namespace, type and name are not longer. */
const ROUTE_CHARS_MAX = 1_024;

/** The first rule that fits wins. @see `cloud-edge-protocol` §4.4 */
export function routeUpstream({ route }: Message): UpstreamRoute {
  const { source = "", group, operation = "", resource = "" } = route;
  if (operation === Operation.keepalive) return { to: "session", what: "keepalive" };
  if (VOLUME.test(resource)) return { to: "csi" };
  if (operation === Operation.response) return { to: "session", what: "acknowledgement" };
  if (operation === Operation.error) return { to: "session", what: "refusal" };
  if (operation === Operation.upload && group === "user") return { to: "router" };
  if (TASK_OPERATIONS.has(operation)) return { to: "taskManager" };
  if (operation === Operation.digest && group === Group.hub) return { to: "digest" };
  if (resource === "k8s/ca.crt") return { to: "kubernetesCa" };
  // It would be in our log, whole. MQTT topics are longer, and are not looked at here.
  if ([source, group ?? "", operation, resource].some(({ length }) => length > ROUTE_CHARS_MAX))
    return { to: "nobody", reason: "its route is too long" };
  if (operation === "" && source === "" && resource === "") return { to: "nobody", reason: "the message is empty" };
  if (CLOUD_SOURCES.has(source)) return { to: "nobody", reason: `source ${source} is the cloud's own` };
  if (source === Source.metaServer) return { to: "dynamicController" };
  return source === Source.twin ? { to: "device" } : { to: "edge" };
}

/** Of each part of a route that makes no sense, in our log. */
const SHOWN_CHARS_MAX = 256;

/** A route for the log, whatever it is. */
export function shownRoute({ route }: Message): Record<string, string> {
  return Object.fromEntries(
    Object.entries(route).map(([part, text]) => [part, String(text).slice(0, SHOWN_CHARS_MAX)]),
  );
}
