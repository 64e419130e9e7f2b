import { type KubeObject, type Node, NODES, type Pod, PODS } from "@kedge/kube";
import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import { kubeletOf, type NodeTarget } from "../node-proxy/node-connector.ts";
import type { ApiContext } from "../rest/api-context.ts";
import type { ResourceRequest } from "../rest/resource-request.ts";
import { selectionOf } from "../rest/selection.ts";
import { notFound } from "../rest/status-error.ts";
import { timestamp } from "../rest/timestamp.ts";
import { keyPrefix } from "../storage/object-key.ts";
import type { NodeLooks } from "./node-usage.ts";
import { containerKey } from "./parse-resource-metrics.ts";
import { usageBetween } from "./usage-rate.ts";

const API_VERSION = "metrics.k8s.io/v1beta1";

/** `metrics.k8s.io`: what nodes and pods use, as `kubectl top` asks for it. */
export async function answerMetrics(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const { info, definition } = request;
  const items = info.resource === "nodes" ? await nodeMetrics(context, request) : await podMetrics(context, request);
  if (info.verb === "list")
    return jsonResponse(200, { kind: definition.listKind, apiVersion: API_VERSION, metadata: {}, items });
  const [only] = items;
  if (only === undefined) throw notFound(definition.type, info.name);
  return jsonResponse(200, only);
}

async function nodeMetrics(context: ApiContext, request: ResourceRequest): Promise<object[]> {
  const nodes = selected<Node>(context, request, keyPrefix(NODES));
  const usages = await context.usages.of(nodes.flatMap(targetOf), request.http.signal);
  return nodes.flatMap(({ metadata }) => {
    const looks = usages.get(metadata?.name ?? "");
    if (looks === undefined) return [];
    const usage = usageBetween(looks.before.node, looks.now.node);
    return usage === undefined ? [] : [{ ...about("NodeMetrics", metadata, looks), usage }];
  });
}

async function podMetrics(context: ApiContext, request: ResourceRequest): Promise<object[]> {
  const pods = selected<Pod>(context, request, keyPrefix(PODS, request.info.namespace));
  const wanted = new Set(pods.map(({ spec }) => spec?.nodeName ?? ""));
  const nodes = all<Node>(context, keyPrefix(NODES)).filter(({ metadata }) => wanted.has(metadata?.name ?? ""));
  const usages = await context.usages.of(nodes.flatMap(targetOf), request.http.signal);
  return pods.flatMap((pod) => {
    const { namespace = "", name = "" } = pod.metadata ?? {};
    const looks = usages.get(pod.spec?.nodeName ?? "");
    if (looks === undefined) return [];
    const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].flatMap((container) => {
      const key = containerKey(namespace, name, container.name);
      const usage = usageBetween(looks.before.containers.get(key), looks.now.containers.get(key));
      return usage === undefined ? [] : [{ name: container.name, usage }];
    });
    return containers.length === 0 ? [] : [{ ...about("PodMetrics", pod.metadata, looks), containers }];
  });
}

function about(kind: string, metadata: KubeObject["metadata"], { atMs, windowMs }: NodeLooks): object {
  const { name, namespace, labels } = metadata ?? {};
  return {
    kind,
    apiVersion: API_VERSION,
    metadata: { name, namespace, labels, creationTimestamp: timestamp(atMs) },
    timestamp: timestamp(atMs),
    window: `${(windowMs / 1000).toFixed(3)}s`,
  };
}

function targetOf(node: Node): NodeTarget[] {
  try {
    return [kubeletOf(node)];
  } catch {
    return []; // it has not reported yet: nothing is known of what it uses
  }
}

function all<T extends KubeObject>({ log }: ApiContext, prefix: string): T[] {
  return log.list(prefix).map(({ object }) => object as T);
}

/** What the request selects, by what nodes and pods themselves can be selected by. */
function selected<T extends KubeObject>(context: ApiContext, { http, info }: ResourceRequest, prefix: string): T[] {
  const definition = context.registry.find("", "v1", info.resource);
  if (definition === undefined) return [];
  const selection = selectionOf(http.query, definition);
  const isWanted = (object: Readonly<KubeObject>) => info.name === "" || object.metadata?.name === info.name;
  const found = context.log.list(prefix).filter((stored) => isWanted(stored.object) && selection.selects(stored));
  return found.map(({ object }) => object as T);
}
