import type { ObjectKey } from "@kedge/kube";
import { ProtocolError } from "./protocol-error.ts";

/** Stands where a cluster-scoped object has no namespace. A namespace of that name cannot be told from it. */
const CLUSTER_SCOPE = "null";

/** What `<namespace>/<type>/<name>` says. */
export interface ResourcePath {
  /** Absent: cluster-scoped. */
  readonly namespace: string | undefined;
  /** The kind in lower case, such as `pod`, or a verb-like word of the protocol, such as `podpatch`. */
  readonly type: string;
  /** Absent in lists: `<namespace>/<type>`. */
  readonly name: string | undefined;
}

/** Reads a wire resource. @returns `undefined` if it names no object: `node`, `membership`, an MQTT topic, … */
export function parseResource(resource: string | undefined): ResourcePath | undefined {
  const [namespace, type, name, ...rest] = (resource ?? "").split("/");
  if (namespace === undefined || namespace === "" || type === undefined || type === "") return undefined;
  if (name === "" || rest.length > 0) return undefined;
  return { namespace: namespace === CLUSTER_SCOPE ? undefined : namespace, type, name };
}

/** Like {@link parseResource}, for messages that must name one object. @throws {ProtocolError} `InvalidResource` */
export function parseObjectResource(resource: string | undefined): {
  type: string;
  key: { namespace?: string; name: string };
} {
  const path = parseResource(resource);
  if (path?.name === undefined)
    throw new ProtocolError(`resource "${resource ?? ""}" does not have the form <namespace>/<type>/<name>`, {
      code: "InvalidResource",
      resource: resource ?? "",
    });
  const { namespace, type, name } = path;
  return { type, key: namespace === undefined ? { name } : { namespace, name } };
}

/** `<namespace>/<type>/<name>`, with `null` as the namespace of cluster-scoped objects. */
export function formatResource(type: string, { namespace, name }: ObjectKey): string {
  return `${namespace === undefined || namespace === "" ? CLUSTER_SCOPE : namespace}/${type}/${name}`;
}

/** The cloud-internal form: for whom, then what travels. */
export function toNode(node: string, resource: string): string {
  return `node/${node}/${resource}`;
}

/**
 * What travels of a cloud-internal resource: one that starts with the letters `node` and has three parts or more loses
 * the first two. Others, such as those of node tasks, travel as they are.
 */
export function trimNodePrefix(resource: string): string {
  if (!resource.startsWith("node")) return resource;
  const first = resource.indexOf("/");
  const second = first === -1 ? -1 : resource.indexOf("/", first + 1);
  return second === -1 ? resource : resource.slice(second + 1);
}

/** The node that a cloud-internal resource is for: the part after the first part that is exactly `node`. */
export function targetNode(resource: string | undefined): string | undefined {
  if (resource === undefined) return undefined;
  const parts = resource.split("/");
  const at = parts.indexOf("node");
  const node = at === -1 ? undefined : parts[at + 1];
  return node === "" ? undefined : node;
}
