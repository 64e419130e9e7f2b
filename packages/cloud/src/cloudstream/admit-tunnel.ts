import { NODES_GROUP, nodeUserName, TUNNEL_PATH, TunnelHeader } from "@kedge/protocol";
import type { LinkRefusal, LinkRequest } from "@kedge/transport";
import { isNodeName } from "../cloudhub/node-name.ts";

const NODE_HEADER = TunnelHeader.node.toLowerCase();

export type TunnelAdmission =
  | { readonly node: string; readonly refusal?: undefined }
  | { readonly refusal: LinkRefusal };

/**
 * Whose tunnel this is: the node's whose certificate was shown, and no other's, whatever the headers say (W7). The
 * certificate's chain, time and use were checked in the handshake.
 */
export function admitTunnel(
  { path, headers, certificate }: Pick<LinkRequest, "path" | "headers" | "certificate">,
  whyLockedOut: (node: string) => string | undefined,
): TunnelAdmission {
  const refuse = (httpStatus: LinkRefusal["httpStatus"], reason: string) => ({ refusal: { httpStatus, reason } });
  if (path.split("?", 1)[0]?.replace(/\/$/, "") !== TUNNEL_PATH) return refuse(404, `tunnels begin at ${TUNNEL_PATH}`);
  const said = headers[NODE_HEADER];
  if (typeof said !== "string" || !isNodeName(said))
    return refuse(400, `header ${TunnelHeader.node} must hold the node's name`);
  const { CN, O } = certificate.subject;
  const isOfNodes = [O].flat().includes(NODES_GROUP);
  if (!isOfNodes || CN !== nodeUserName(said))
    return refuse(
      403,
      `the certificate is for ${[CN].flat().join(", ")}, not for ${nodeUserName(said)}: a node opens a tunnel for itself alone`,
    );
  const lockedOut = whyLockedOut(said);
  return lockedOut === undefined ? { node: said } : refuse(403, lockedOut);
}
