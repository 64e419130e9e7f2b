import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { TlsIdentity } from "@kedge/transport";
import { CertificateAuthority } from "../../packages/cloud/src/cloudhub/pki/certificate-authority.ts";
import { callCertificateApi } from "../../packages/edge/src/edgehub/certificate-api.ts";
import { newCertificateRequest } from "../../packages/edge/src/edgehub/certificate-request.ts";
import { parseJoinToken } from "../../packages/edge/src/edgehub/join-token.ts";

const TIMEOUT_MS = 60_000;
const MINTED_DAYS = 1;

/** How a simulated edge comes by its certificate. */
export type IdentitySource =
  /** As edges do: with the token, over HTTPS. */
  | { readonly from: "token"; readonly token: string; readonly httpsPort: number }
  /** With the CA's own key (DER, base64), so that thousands need no minutes; all edges share one key. */
  | { readonly from: "ca"; readonly certificate: string; readonly key: string };

export type GetIdentity = (node: string) => Promise<TlsIdentity>;

/** @param address of cloudcore */
export function identities(source: IdentitySource, address: string): GetIdentity {
  if (source.from === "token") return (node) => join(node, `https://${address}:${source.httpsPort}`, source.token);
  const pair = { certificate: Buffer.from(source.certificate, "base64"), key: Buffer.from(source.key, "base64") };
  const ca = new CertificateAuthority(pair, "the simulated edges");
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const der = publicKey.export({ type: "spki", format: "der" });
  const request = { commonName: undefined, organizations: [], publicKey: der };
  const key = keyPem(privateKey);
  return (node) => {
    const cert = pem("CERTIFICATE", ca.issueEdge(node, request, MINTED_DAYS, Date.now()));
    return Promise.resolve({ ca: ca.certificatePem, cert, key });
  };
}

async function join(node: string, server: string, token: string): Promise<TlsIdentity> {
  const { caHash, bearer } = parseJoinToken(token);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const fetched = await callCertificateApi({ server, path: "/ca.crt", timeoutMs: TIMEOUT_MS }, signal);
  if (createHash("sha256").update(fetched.body).digest("hex") !== caHash)
    throw new Error(`${server} is not the cloud that the token is from`);
  const ca = pem("CERTIFICATE", fetched.body);
  const { csr, privateKey } = newCertificateRequest(node);
  const headers = { authorization: `Bearer ${bearer}`, NodeName: node };
  const call = { server, path: "/edge.crt", headers, body: csr, ca, timeoutMs: TIMEOUT_MS };
  const { httpStatus, body } = await callCertificateApi(call, signal);
  if (httpStatus !== 200) throw new Error(`${node} may not join: HTTP status ${httpStatus}: ${body.toString()}`);
  return { ca, cert: pem("CERTIFICATE", body), key: keyPem(privateKey) };
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function keyPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}
