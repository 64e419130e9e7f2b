import { type Node, NODES, type Pod } from "@kedge/kube";
import type { ApiResponse } from "../../http/api-exchange.ts";
import { kubeletOf, type NodeTarget } from "../../node-proxy/node-connector.ts";
import { podLocation, type PodStream } from "../../node-proxy/pod-location.ts";
import { readComplaint, relayedAnswer, relayUpgrade } from "../../node-proxy/relay.ts";
import { storageKey } from "../../storage/object-key.ts";
import type { ApiContext } from "../api-context.ts";
import { keyOfRequest, type ResourceRequest } from "../resource-request.ts";
import { badRequest, forbidden, notFound, ofNode } from "../status-error.ts";

/** `GET pods/<name>/log`: what the node's kubelet endpoint has of it. */
export async function podLog(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const pod = podOf(context, request);
  const path = podLocation(pod, "log", request.http.query);
  const target = targetOf(context, pod);
  // Nothing runs yet, so there is nothing to read.
  if (target === undefined) return { status: 200, headers: { "content-type": "text/plain" }, body: "" };
  const answer = await context.nodes.request(target, { method: "GET", path }, request.http.signal);
  if (answer.statusCode === 200) return relayedAnswer(answer);
  throw ofNode(answer.statusCode ?? 502, request.definition.type, request.info.name, await readComplaint(answer));
}

/** `pods/<name>/exec`, `attach`, `portforward`: the caller's connection becomes one to the node. */
export function podStream(stream: Exclude<PodStream, "log">) {
  return async (context: ApiContext, request: ResourceRequest): Promise<ApiResponse> => {
    expectMayCreate(context, request);
    const { http } = request;
    const pod = podOf(context, request);
    const path = podLocation(pod, stream, http.query);
    if (!/\bupgrade\b/i.test(http.headers["connection"] ?? "") || http.headers["upgrade"] === undefined)
      throw badRequest("Upgrade request required");
    const target = targetOf(context, pod);
    if (target === undefined) throw badRequest(`pod ${request.info.name} does not have a host assigned`);
    return relayUpgrade(context.nodes, target, path, http);
  };
}

/**
 * A WebSocket begins with GET: who may only read must not run commands by that. Kubernetes asks for the same since 1.35.
 */
function expectMayCreate({ authorizer }: ApiContext, { http, info, definition }: ResourceRequest): void {
  if (info.verb === "create") return;
  if (authorizer.authorize(http.user, { ...info, verb: "create" }).allowed) return;
  throw forbidden(
    definition.type,
    info.name,
    `User "${http.user.username}" cannot create resource "${info.resource}/${info.subresource}" in API group "" in the namespace "${info.namespace}"`,
  );
}

function podOf({ log }: ApiContext, request: ResourceRequest): Pod {
  const stored = log.get(keyOfRequest(request));
  if (stored === undefined) throw notFound(request.definition.type, request.info.name);
  return stored.object as Pod;
}

function targetOf(context: ApiContext, { spec }: Pod): NodeTarget | undefined {
  const name = spec?.nodeName ?? "";
  return name === "" ? undefined : nodeTarget(context, name);
}

/** @throws KubeApiError `NotFound` */
export function nodeTarget({ log }: ApiContext, name: string): NodeTarget {
  const stored = log.get(storageKey(NODES, { namespace: "", name }));
  if (stored === undefined) throw notFound(NODES, name);
  return kubeletOf(stored.object as Node);
}
