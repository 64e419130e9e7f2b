import { X509Certificate } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { NODES_GROUP, nodeUserName } from "@kedge/protocol";
import type { Clock } from "@kedge/runtime";
import { isNodeName } from "./node-name.ts";
import type { CertificateAuthority } from "./pki/certificate-authority.ts";
import { isoTime } from "./pki/join-token.ts";
import { PkiError } from "./pki/pki-error.ts";
import type { AcceptedToken, TokenGate } from "./pki/token-gate.ts";
import { Refusal } from "./refusal.ts";

/** Base64 of the DER of an expired certificate: its holder asks for another one. */
export const RENEWAL_HEADER = "kedge-renewal";
/** Base64 of the signature with that certificate's key over the request: the body. */
export const RENEWAL_PROOF_HEADER = "kedge-renewal-proof";

/** What a request shows of its sender, before anything is checked. */
export interface Credentials {
  readonly headers: IncomingHttpHeaders;
  /** What the client presented in the TLS handshake, in which it has proven that it holds the key. */
  readonly certificate: X509Certificate | undefined;
}

/** Who is calling, as far as it is proven. */
export type Caller =
  | { readonly kind: "node"; readonly node: string }
  /** The node's certificate is over. `proof`: yet to be held against the body; undefined: the handshake has shown it. */
  | {
      readonly kind: "expired";
      readonly node: string;
      readonly certificate: X509Certificate;
      readonly proof: Buffer | undefined;
    }
  | { readonly kind: "token"; readonly node: string; readonly token: AcceptedToken };

export interface CallerDeps {
  readonly ca: CertificateAuthority;
  readonly clock: Clock;
  readonly tokens: TokenGate;
}

/**
 * Who speaks for `node` here. A certificate, once presented in the handshake, alone decides.
 *
 * @throws {Refusal} if nobody who may.
 */
export async function callerFor(
  node: string,
  { headers, certificate }: Credentials,
  deps: CallerDeps,
  signal: AbortSignal,
): Promise<Caller> {
  if (certificate !== undefined) {
    expectOf(node, certificate, deps);
    if (certificate.validToDate.getTime() > deps.clock.now()) return { kind: "node", node };
    return { kind: "expired", node, certificate, proof: undefined };
  }
  if (headers[RENEWAL_HEADER] !== undefined && headers.authorization === undefined) return renewer(node, headers, deps);
  const jwt = bearer(headers.authorization);
  if (jwt === undefined)
    throw Refusal.of(
      "noCredential",
      401,
      `node ${node} shows neither a client certificate nor a join token: send Authorization: Bearer with the token's last three parts`,
    );
  try {
    return { kind: "token", node, token: await deps.tokens.accept(jwt, node, signal) };
  } catch (error) {
    throw refusedToken(error);
  }
}

/** The node whose own, current certificate was presented. @throws {Refusal} if there is none. */
export function nodeOf(certificate: X509Certificate | undefined, deps: CallerDeps): string {
  if (certificate === undefined)
    throw Refusal.of("noCredential", 401, "only a node may do this: present the node's client certificate");
  const prefix = `CN=${nodeUserName("")}`;
  const common = certificate.subject.split("\n").find((part) => part.startsWith(prefix));
  const node = common?.slice(prefix.length) ?? "";
  if (!isNodeName(node)) throw notFor("a node", certificate);
  expectOf(node, certificate, deps);
  const until = certificate.validToDate.getTime();
  if (until <= deps.clock.now())
    throw Refusal.of("badCertificate", 401, `the client certificate expired at ${isoTime(until)}: renew it`, {
      aboutTime: true,
    });
  return node;
}

/** @throws whatever it is, if it does not come from the token. */
export function refusedToken(error: unknown): Refusal {
  if (!(error instanceof PkiError)) throw error;
  const aboutTime = error.code === "TokenExpired" || error.code === "TokenNotYetValid";
  return new Refusal(error.message, { code: "badToken", httpStatus: 401, aboutTime }, { cause: error });
}

function renewer(node: string, headers: IncomingHttpHeaders, deps: CallerDeps): Caller {
  const [der, proof] = [base64(headers[RENEWAL_HEADER]), base64(headers[RENEWAL_PROOF_HEADER])];
  let certificate: X509Certificate | undefined;
  try {
    certificate = der === undefined ? undefined : new X509Certificate(der);
  } catch {
    // Said below.
  }
  if (certificate === undefined || proof === undefined)
    throw Refusal.of(
      "badRequest",
      400,
      `the headers Kedge-Renewal and Kedge-Renewal-Proof must hold the old certificate's DER and a signature, in base64`,
    );
  expectOf(node, certificate, deps);
  return { kind: "expired", node, certificate, proof };
}

/** @throws {Refusal} unless our CA made this certificate for this node to be a client with; its end is not looked at. */
function expectOf(node: string, certificate: X509Certificate, { ca, clock }: CallerDeps): void {
  if (!ca.signed(certificate))
    throw Refusal.of(
      "badCertificate",
      401,
      "the client certificate is not of this cluster's CA: remove it, and join with a token of this cluster",
    );
  const from = certificate.validFromDate.getTime();
  if (from > clock.now())
    throw Refusal.of(
      "badCertificate",
      401,
      `the client certificate is valid from ${isoTime(from)} on: check the clocks`,
      {
        aboutTime: true,
      },
    );
  if (certificate.ca || !(certificate.keyUsage ?? []).includes(CLIENT_AUTH))
    throw Refusal.of("badCertificate", 401, "the client certificate is not for clients: join with a token");
  const subject = certificate.subject.split("\n");
  if (!subject.includes(`CN=${nodeUserName(node)}`) || !subject.includes(`O=${NODES_GROUP}`))
    throw notFor(`node ${node}`, certificate);
}

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

function notFor(whom: string, { subject }: X509Certificate): Refusal {
  const holder = subject.replaceAll("\n", ", ").slice(0, 300);
  return Refusal.of(
    "badCertificate",
    401,
    `the client certificate is for ${holder}, not for ${whom}: join under the new name with a token, or go back to the old name`,
  );
}

function bearer(header: string | undefined): string | undefined {
  const [scheme, jwt, ...rest] = (header ?? "").split(" ");
  return scheme?.toLowerCase() === "bearer" && rest.length === 0 ? jwt : undefined;
}

function base64(header: string | string[] | undefined): Buffer | undefined {
  if (typeof header !== "string" || !/^[A-Za-z0-9+/]+={0,2}$/.test(header)) return undefined;
  return Buffer.from(header, "base64");
}
