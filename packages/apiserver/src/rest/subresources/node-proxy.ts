import type { ApiResponse } from "../../http/api-exchange.ts";
import { relayedAnswer, relayUpgrade } from "../../node-proxy/relay.ts";
import type { ApiContext } from "../api-context.ts";
import type { ResourceRequest } from "../resource-request.ts";
import { methodNotAllowed } from "../status-error.ts";
import { nodeTarget } from "./pod-streams.ts";

/** `nodes/<name>/proxy/…`: the node's kubelet endpoint itself, as it answers. */
export async function proxyNode(
  context: ApiContext,
  { http, info, definition }: ResourceRequest,
): Promise<ApiResponse> {
  const target = nodeTarget(context, info.name);
  const query = http.query.toString();
  const path = `/${info.subpath}${query === "" ? "" : `?${query}`}`;
  if (http.headers["upgrade"] !== undefined) return relayUpgrade(context.nodes, target, path, http);
  // What nodes take has no body.
  if (!["GET", "HEAD", "POST"].includes(http.method)) throw methodNotAllowed(definition.type);
  const accept = http.headers["accept"];
  const headers = accept === undefined ? {} : { accept };
  return relayedAnswer(await context.nodes.request(target, { method: http.method, path, headers }, http.signal));
}
