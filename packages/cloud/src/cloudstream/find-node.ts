import type { IncomingHttpHeaders } from "node:http";
import { KubeletRefusal } from "./kubelet-refusal.ts";
import type { FoundRoute } from "./kubelet-routes.ts";
import type { StreamView } from "./stream-view.ts";

export interface FindNodeDeps {
  readonly view: Pick<StreamView, "node" | "pod">;
  /** The node whose own port was called. */
  readonly nodeOfPort: (port: number | undefined) => string | undefined;
  /** Nodes that report this address, where that is how they are found. */
  readonly nodesAt: (address: string) => readonly string[];
}

/**
 * Which node a request is for. Called at a node's own port, that one. Else as in KubeEdge: by the pod, by the node in the
 * path that the API server was asked for, or by the address that the caller has dialled.
 *
 * @throws {KubeletRefusal} `NodeUnknown`
 */
export function findNode(
  { parameters }: Pick<FoundRoute, "parameters">,
  { headers, localPort }: { readonly headers: IncomingHttpHeaders; readonly localPort: number | undefined },
  { view, nodeOfPort, nodesAt }: FindNodeDeps,
): string {
  const called = nodeOfPort(localPort);
  if (called !== undefined) return called;
  const { namespace, pod: name } = parameters;
  if (namespace !== undefined && name !== undefined) {
    const node = view.pod({ namespace, name })?.spec?.nodeName;
    if (node !== undefined) return node;
    throw unknown(`pod ${namespace}/${name} is not on an edge node`);
  }
  const forwarded = /^\/api\/v1\/nodes\/([^/:]+)(?::\d+)?\/proxy(\/|$)/.exec(first(headers["x-forwarded-uri"]))?.[1];
  if (forwarded !== undefined) return known(forwarded, view);
  const host = (headers.host ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  if (view.node(host) !== undefined) return host;
  const [node, ...others] = nodesAt(host);
  // Private addresses repeat from site to site: whose is meant, nobody can tell (W7).
  if (others.length > 0) throw unknown(`${others.length + 1} nodes have the address ${host}`);
  if (node !== undefined) return node;
  throw unknown(`nothing says which node is meant: call the address and port in the node's status`);
}

function known(node: string, view: FindNodeDeps["view"]): string {
  if (view.node(node) === undefined) throw unknown(`there is no edge node ${node}`);
  return node;
}

function first(header: string | readonly string[] | undefined): string {
  return (typeof header === "string" ? header : header?.[0]) ?? "";
}

function unknown(why: string): KubeletRefusal {
  return KubeletRefusal.of("NodeUnknown", why);
}
