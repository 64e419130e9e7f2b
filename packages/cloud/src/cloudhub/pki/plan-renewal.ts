import { verify, type X509Certificate } from "node:crypto";
import type { Node } from "@kedge/kube";
import { isoTime } from "./join-token.ts";

const DAY_MS = 24 * 60 * 60_000;
const HOUR_MS = 60 * 60_000;
/** So many days after its end a certificate can still be renewed with proof of its key. */
export const RENEWAL_AFTER_EXPIRY_DAYS_MAX = 365;
/**
 * A node registers itself after it got its first certificate, which begins up to an hour before that: a Node that is
 * younger than the certificate's begin by more than this is another one, created after ours was deleted.
 */
const REGISTERED_AFTER_MS_MAX = 2 * HOUR_MS;

/**
 * Why a certificate that is over, whose holder has proven to hold its key, is not renewed; `undefined`: it is. A host that
 * was taken out of the cluster must not come back by itself.
 *
 * @param certificate of our CA, for this very node.
 * @param node undefined: there is none of this name.
 */
export function whyNotRenewed(
  name: string,
  certificate: X509Certificate,
  node: Node | undefined,
  nowMs: number,
): string | undefined {
  const end = certificate.validToDate.getTime();
  if (nowMs - end > RENEWAL_AFTER_EXPIRY_DAYS_MAX * DAY_MS)
    return `the certificate of node ${name} expired at ${isoTime(end)}, more than ${RENEWAL_AFTER_EXPIRY_DAYS_MAX} days ago`;
  if (node === undefined || node.metadata?.deletionTimestamp !== undefined)
    return `the certificate of node ${name} expired, and the cluster has no such node any more`;
  const created = Date.parse(node.metadata?.creationTimestamp ?? "");
  if (!(created <= certificate.validFromDate.getTime() + REGISTERED_AFTER_MS_MAX))
    return `the certificate of node ${name} expired, and it is older than the node of that name in the cluster, which was created at ${isoTime(created)}`;
  return undefined;
}

/** Whether the holder of this certificate's key asks for exactly this: ECDSA with SHA-256, DER, over the request. */
export function provesKey(certificate: X509Certificate, request: Uint8Array, proof: Uint8Array): boolean {
  const { publicKey } = certificate;
  if (publicKey.asymmetricKeyType !== "ec") return false;
  return verify("sha256", request, { key: publicKey, dsaEncoding: "der" }, proof);
}
