import { TUNNEL_TARGET_HOST, type TunnelConnect } from "@kedge/protocol";
import { KubeletError } from "../edged/server/kubelet-error.ts";
import type { KubeletRequest } from "../edged/server/kubelet-request.ts";

/** Of one request; an ordinary one has a dozen, small. */
const HEADERS_CHARS_MAX = 64 * 1024;
const QUERY_CHARS_MAX = 256 * 1024;

/**
 * What the cloud asks for through the tunnel. It is answered within this process: no URL leads anywhere else, and one that wants to
 * is refused, so that nobody believes that it did.
 *
 * @throws {KubeletError} `BadRequest`
 */
export function kubeletRequestOf(connect: TunnelConnect, signal: AbortSignal): KubeletRequest {
  const { scheme, host, path, query, method = "GET", resume } = connect;
  if (scheme !== "http" || host !== TUNNEL_TARGET_HOST)
    throw KubeletError.badRequest(
      `${scheme}://${host} cannot be reached through this tunnel: it leads to the node's kubelet endpoint, http://${TUNNEL_TARGET_HOST}`,
    );
  if (query.length > QUERY_CHARS_MAX)
    throw KubeletError.badRequest(`a query of more than ${QUERY_CHARS_MAX} characters`);
  const headers: Record<string, string> = {};
  let length = 0;
  for (const [name, values] of Object.entries(connect.headers)) {
    const value = values.join(", ");
    length += name.length + value.length;
    if (length > HEADERS_CHARS_MAX)
      throw KubeletError.badRequest(`headers of more than ${HEADERS_CHARS_MAX} characters`);
    // A line break would begin another header at the container runtime.
    if (!/[\r\n\0]/.test(value)) headers[name.toLowerCase()] = value;
  }
  return { method, path, query: new URLSearchParams(query), headers, signal, ...(resume !== undefined && { resume }) };
}
