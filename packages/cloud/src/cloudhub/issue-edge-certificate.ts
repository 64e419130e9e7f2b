import { type Node, NODES } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { nodeUserName } from "@kedge/protocol";
import { type Clock, hasCode, type Logger } from "@kedge/runtime";
import { type Caller, refusedToken } from "./callers.ts";
import type { CertificateAuthority } from "./pki/certificate-authority.ts";
import { PkiError } from "./pki/pki-error.ts";
import { provesKey, whyNotRenewed } from "./pki/plan-renewal.ts";
import { readSigningRequest, type SigningRequest } from "./pki/signing-request.ts";
import { Refusal } from "./refusal.ts";

export interface IssueDeps {
  readonly ca: CertificateAuthority;
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly edgeCertificateDays: number;
  /** Whether a node of this name has a session here. */
  readonly isConnected: (node: string) => boolean;
  /** Why a node is to stay out, whatever it shows; undefined: it may come in. */
  readonly whyLockedOut: (node: string) => string | undefined;
}

/** Only these nodes are CloudHub's; KubeEdge knows them by it, too. */
const EDGE_LABEL = "node-role.kubernetes.io/edge";
const DUPLICATE_RETRY_SECONDS = 30;

/**
 * A certificate for the node that the caller may speak for. Whoever joins with a token may not take the name of a node
 * that is here at this moment, unless the token is for that very node, nor that of a machine which is no edge node.
 *
 * @param body the request, PKCS #10 as DER.
 * @returns the certificate as DER.
 * @throws {Refusal}
 */
export async function issueEdgeCertificate(
  caller: Caller,
  body: Buffer,
  address: string,
  deps: IssueDeps,
  signal: AbortSignal,
): Promise<Buffer> {
  const { node } = caller;
  const lockedOut = deps.whyLockedOut(node);
  if (lockedOut !== undefined) throw Refusal.of("lockedOut", 403, lockedOut);
  const asked = readRequest(node, body);
  if (caller.kind === "token") {
    await expectFree(caller, deps, signal);
    try {
      await caller.token.use(address, signal); // counted before anything is given for it
    } catch (error) {
      throw refusedToken(error);
    }
  }
  if (caller.kind === "expired") await expectRenewable(caller, body, deps, signal);
  const certificate = deps.ca.issueEdge(node, asked, deps.edgeCertificateDays, deps.clock.now());
  const token = caller.kind === "token" ? { token: caller.token.id ?? "shared" } : {};
  deps.logger.info({ node, remote: address, by: caller.kind, ...token }, "issued a certificate");
  return certificate;
}

function readRequest(node: string, body: Buffer): SigningRequest {
  let asked: SigningRequest;
  try {
    asked = readSigningRequest(body);
  } catch (error) {
    if (error instanceof PkiError) throw Refusal.of("badRequest", 400, error.message);
    throw error;
  }
  if (asked.commonName === nodeUserName(node)) return asked;
  throw Refusal.of(
    "otherName",
    403,
    `the certificate signing request is for ${quote(asked.commonName)}, but the credential is for ${nodeUserName(node)}: ask for that`,
  );
}

async function expectFree(
  { node, token }: Extract<Caller, { kind: "token" }>,
  { kube, isConnected }: IssueDeps,
  signal: AbortSignal,
): Promise<void> {
  if (!token.bound && isConnected(node))
    throw Refusal.of(
      "duplicateName",
      409,
      `another host is connected as node ${node}: give this one another name (hostnameOverride), or stop the other one`,
      { retryAfterSeconds: DUPLICATE_RETRY_SECONDS },
    );
  expectEdgeNode(node, await findNode(node, kube, signal));
}

async function expectRenewable(
  { node, certificate, proof }: Extract<Caller, { kind: "expired" }>,
  body: Buffer,
  { kube, clock }: IssueDeps,
  signal: AbortSignal,
): Promise<void> {
  if (proof !== undefined && !provesKey(certificate, body, proof))
    throw Refusal.of(
      "notRenewable",
      401,
      `Kedge-Renewal-Proof does not prove that node ${node} holds the key of its expired certificate: join again with a token`,
    );
  const found = await findNode(node, kube, signal);
  expectEdgeNode(node, found);
  const reason = whyNotRenewed(node, certificate, found, clock.now());
  if (reason === undefined) return;
  throw Refusal.of("notRenewable", 401, `${reason}: join again with a token`, { aboutTime: true });
}

function expectEdgeNode(name: string, node: Node | undefined): void {
  if (node === undefined || node.metadata?.labels?.[EDGE_LABEL] !== undefined) return;
  throw Refusal.of(
    "notAnEdgeNode",
    403,
    `node ${name} of this cluster is no edge node: give this host another name, or label that node ${EDGE_LABEL}=`,
  );
}

async function findNode(name: string, kube: KubeClient, signal: AbortSignal): Promise<Node | undefined> {
  try {
    return await kube.get(NODES, { name }, signal);
  } catch (error) {
    if (hasCode(error, "NotFound")) return undefined;
    throw error;
  }
}

/** What a stranger wrote, for a log and an answer. */
function quote(text: string | undefined): string {
  return text === undefined ? "nobody" : JSON.stringify(text.slice(0, 300));
}
