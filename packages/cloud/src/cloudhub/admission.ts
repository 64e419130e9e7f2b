import { ChannelHeader, CONNECTION_USE_MESSAGES, NODES_GROUP, nodeUserName } from "@kedge/protocol";
import type { LinkRefusal, LinkRequest } from "@kedge/transport";
import { isNodeName } from "./node-name.ts";

/** What admission needs to know of the sessions that there are. */
export interface SessionCount {
  readonly connected: number;
  readonly connectedMax: number;
  isConnected(node: string): boolean;
  /** Why an administrator keeps this node out; undefined: nobody does. */
  whyLockedOut(node: string): string | undefined;
}

export type Admission =
  | { readonly node: string; readonly refusal?: undefined }
  | {
      readonly refusal: LinkRefusal;
      readonly code: "badRequest" | "notThatNode" | "lockedOut" | "nodeLimit";
      /** Whose certificate it is, if a node's: nobody else is to blame. */
      readonly node: string | undefined;
    };

const NODE_LIMIT_RETRY_SECONDS = 30;

/**
 * Who may open a session: a node whose certificate is its own (W2), as long as there is room (W3). The certificate's
 * chain, time and use were checked in the TLS handshake.
 */
export function admit({ headers, certificate }: LinkRequest, sessions: SessionCount): Admission {
  const { CN, O } = certificate.subject;
  const holder =
    (Array.isArray(O) ? O : [O]).includes(NODES_GROUP) && typeof CN === "string" ? nodeOfUser(CN) : undefined;
  const refuse = (
    code: "badRequest" | "notThatNode" | "lockedOut",
    httpStatus: 400 | 403,
    reason: string,
  ): Admission => ({
    code,
    node: holder,
    refusal: { httpStatus, reason },
  });
  const node = headers[ChannelHeader.nodeId];
  if (typeof node !== "string" || !isNodeName(node))
    return refuse("badRequest", 400, "header node_id must hold the node's name");
  if (firstOf(headers[ChannelHeader.connectionUse.toLowerCase()]) !== CONNECTION_USE_MESSAGES)
    return refuse("badRequest", 400, `header ConnectionUse must be ${CONNECTION_USE_MESSAGES}`);
  if (holder !== node)
    return refuse(
      "notThatNode",
      403,
      `the certificate is for ${[CN].flat().join(", ")}, not for ${nodeUserName(node)}: give the host its old name, or remove the certificate and join under the new name`,
    );
  const lockedOut = sessions.whyLockedOut(node);
  if (lockedOut !== undefined) return refuse("lockedOut", 403, lockedOut);
  // A node that returns takes the place of its older session.
  if (sessions.connected >= sessions.connectedMax && !sessions.isConnected(node))
    return {
      code: "nodeLimit",
      node,
      refusal: {
        httpStatus: 503,
        reason: `this cloudcore serves ${sessions.connectedMax} nodes already: raise modules.cloudHub.nodeLimit, or start another cloudcore`,
        retryAfterSeconds: NODE_LIMIT_RETRY_SECONDS,
      },
    };
  return { node };
}

/** A stock edge adds this header once more each time it dials anew, and a stock cloud reads the first. */
function firstOf(header: string | string[] | undefined): string | undefined {
  return [header].flat()[0]?.split(",")[0]?.trim();
}

/** @returns undefined if it is not the name of a node's user. */
function nodeOfUser(user: string): string | undefined {
  const prefix = nodeUserName("");
  const node = user.startsWith(prefix) ? user.slice(prefix.length) : "";
  return isNodeName(node) ? node : undefined;
}
