import type { X509Certificate } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { NODES } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { NODES_GROUP, nodeUserName } from "@kedge/protocol";
import { type Clock, hasCode } from "@kedge/runtime";
import type { CertificateAuthority } from "./pki/certificate-authority.ts";
import { verifyBearer } from "./pki/join-token.ts";
import { PkiError } from "./pki/pki-error.ts";
import { readSigningRequest, SIGNING_REQUEST_BYTES_MAX } from "./pki/signing-request.ts";

export interface RouteDeps {
  readonly ca: CertificateAuthority;
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly edgeCertificateDays: number;
}

export interface RouteRequest {
  readonly headers: IncomingHttpHeaders;
  /** What `{name}` in the route's path stands for. */
  readonly name: string;
  readonly body: Buffer;
  /** What the client presented in the TLS handshake; nobody has checked it yet. */
  readonly certificate: X509Certificate | undefined;
}

export interface RouteResponse {
  readonly status: number;
  readonly body: string | Buffer;
}

export interface Route {
  readonly method: "GET" | "POST";
  /** `{name}` stands for one part. */
  readonly path: string;
  /**
   * Who may call: `anyone`; `joiner`: holds a join token, or is the node that the request is about; `caller`: as a joiner,
   * or else is told nothing.
   */
  readonly access: "anyone" | "joiner" | "caller";
  readonly bodyBytesMax: number;
  readonly answer: (
    request: RouteRequest,
    deps: RouteDeps,
    signal: AbortSignal,
  ) => Promise<RouteResponse> | RouteResponse;
}

/**
 * All that port 10002 answers; whatever is not listed here is not found. KubeEdge also takes task reports here from
 * anybody (W5); ours come over the channel.
 */
export const ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/ca.crt",
    access: "anyone",
    bodyBytesMax: 0,
    answer: (_, { ca }) => ({ status: 200, body: ca.pair.certificate }),
  },
  {
    method: "GET",
    path: "/edge.crt",
    access: "joiner",
    bodyBytesMax: SIGNING_REQUEST_BYTES_MAX,
    answer: issueEdgeCertificate,
  },
  { method: "GET", path: "/node/{name}", access: "caller", bodyBytesMax: 0, answer: findNode },
];

/** RFC 1123 subdomain: a node's name becomes part of a certificate, of paths and of headers. */
const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const NODE_NAME_CHARS_MAX = 253;

export function isNodeName(name: string): boolean {
  return name.length <= NODE_NAME_CHARS_MAX && NODE_NAME.test(name);
}

function issueEdgeCertificate(request: RouteRequest, deps: RouteDeps): RouteResponse {
  const node = request.headers["nodename"];
  if (typeof node !== "string" || !isNodeName(node))
    return refuse(
      400,
      `header NodeName: "${String(node ?? "")}" is not a node name (lower-case letters, digits, "-" and ".")`,
    );
  const refusal = whyNotNode(node, request, deps);
  if (refusal !== undefined) return refuse(401, refusal);
  try {
    const asked = readSigningRequest(request.body);
    if (asked.commonName !== nodeUserName(node))
      return refuse(
        403,
        `the request asks for the name ${asked.commonName ?? ""}, but the credential is for ${nodeUserName(node)}`,
      );
    return { status: 200, body: deps.ca.issueEdge(node, asked, deps.edgeCertificateDays, deps.clock.now()) };
  } catch (error) {
    if (error instanceof PkiError) return refuse(400, error.message);
    throw error;
  }
}

/**
 * Stock `keadm join` asks without any credential, and takes only 404 for a free name: whoever does not prove that they
 * may join gets that answer for every name, so that nobody can list our nodes (W5).
 */
async function findNode(request: RouteRequest, deps: RouteDeps, signal: AbortSignal): Promise<RouteResponse> {
  const { name } = request;
  if (!isNodeName(name)) return refuse(400, "this is not a node name");
  if (whyNotNode(name, request, deps) !== undefined) return refuse(404, "Node not found");
  try {
    await deps.kube.get(NODES, { name }, signal);
    return { status: 200, body: "Node found" };
  } catch (error) {
    if (hasCode(error, "NotFound")) return refuse(404, "Node not found");
    throw error;
  }
}

/** Why this caller may not act as `node`; `undefined`: it may. A certificate, once presented, alone decides. */
function whyNotNode(node: string, { certificate, headers }: RouteRequest, deps: RouteDeps): string | undefined {
  if (certificate !== undefined) return whyNotCertificateOf(node, certificate, deps);
  const [scheme, jwt, ...rest] = (headers.authorization ?? "").split(" ");
  if (scheme?.toLowerCase() !== "bearer" || jwt === undefined || rest.length > 0)
    return "a client certificate, or the header Authorization: Bearer <token without its first part>, is needed";
  try {
    verifyBearer(deps.ca, jwt, deps.clock.now());
    return undefined;
  } catch (error) {
    if (error instanceof PkiError) return error.message;
    throw error;
  }
}

function whyNotCertificateOf(node: string, certificate: X509Certificate, { ca, clock }: RouteDeps): string | undefined {
  if (!ca.signed(certificate)) return "the client certificate is not of this cluster's CA";
  const now = clock.now();
  if (certificate.validToDate.getTime() <= now) return "the client certificate expired: join again with a token";
  if (certificate.validFromDate.getTime() > now) return "the client certificate is not valid yet: check the clock";
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.includes(CLIENT_AUTH))
    return "the client certificate is not for clients";
  const subject = certificate.subject.split("\n");
  const isNode = subject.includes(`CN=${nodeUserName(node)}`) && subject.includes(`O=${NODES_GROUP}`);
  return isNode ? undefined : `the client certificate is not that of node ${node}`;
}

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

function refuse(status: number, reason: string): RouteResponse {
  return { status, body: reason };
}
