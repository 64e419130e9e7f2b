import { ChannelHeader, CONNECTION_USE_MESSAGES, NODES_GROUP, nodeUserName } from "@kedge/protocol";
import type { LinkRefusal, LinkRequest } from "@kedge/transport";
import { isNodeName } from "./https-routes.ts";

/** What admission needs to know of the sessions that there are. */
export interface SessionCount {
  readonly connected: number;
  readonly connectedMax: number;
  isConnected(node: string): boolean;
}

export type Admission =
  | { readonly node: string; readonly refusal?: undefined }
  | { readonly refusal: LinkRefusal; readonly code: "badRequest" | "notThatNode" | "nodeLimit" };

const NODE_LIMIT_RETRY_SECONDS = 30;

/**
 * Who may open a session: a node whose certificate is its own (W2), as long as there is room (W3). The certificate's
 * chain, time and use were checked in the TLS handshake.
 */
export function admit({ headers, certificate }: LinkRequest, sessions: SessionCount): Admission {
  const node = headers[ChannelHeader.nodeId];
  if (typeof node !== "string" || !isNodeName(node))
    return refuse("badRequest", 400, "header node_id must hold the node's name");
  const use = headers[ChannelHeader.connectionUse.toLowerCase()];
  if (use !== CONNECTION_USE_MESSAGES)
    return refuse("badRequest", 400, `header ConnectionUse must be ${CONNECTION_USE_MESSAGES}`);
  const { CN, O } = certificate.subject;
  const groups = Array.isArray(O) ? O : [O];
  if (CN !== nodeUserName(node) || !groups.includes(NODES_GROUP)) {
    const holder = Array.isArray(CN) ? CN.join(", ") : CN;
    return refuse("notThatNode", 403, `the certificate is for ${holder}, not for ${nodeUserName(node)}`);
  }
  // A node that returns takes the place of its older session.
  if (sessions.connected >= sessions.connectedMax && !sessions.isConnected(node))
    return {
      code: "nodeLimit",
      refusal: {
        httpStatus: 503,
        reason: `this cloudcore serves ${sessions.connectedMax} nodes already (modules.cloudHub.nodeLimit)`,
        retryAfterSeconds: NODE_LIMIT_RETRY_SECONDS,
      },
    };
  return { node };
}

function refuse(code: "badRequest" | "notThatNode", httpStatus: 400 | 403, reason: string): Admission {
  return { code, refusal: { httpStatus, reason } };
}
