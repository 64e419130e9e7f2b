import { createHash, createPrivateKey, sign, X509Certificate } from "node:crypto";
import { type CertificatePaths, certificatePem, saveCa, savePair } from "./certificate-files.ts";
import { callCertificateApi } from "./certificate-api.ts";
import { newCertificateRequest } from "./certificate-request.ts";
import { explainFailure } from "./explain-failure.ts";
import { HubError } from "./hub-error.ts";
import { judgeJoinFailure } from "./judge-join-failure.ts";
import { parseJoinToken } from "./join-token.ts";

/** Base64 of the DER of our expired certificate; a stock cloud does not look at it. */
const RENEWAL_HEADER = "Kedge-Renewal";
/** Base64 of an ECDSA signature (SHA-256, DER) with that certificate's key over the request. */
const RENEWAL_PROOF_HEADER = "Kedge-Renewal-Proof";

/** Of what a server says when it refuses. */
const ANSWER_BYTES_SHOWN = 400;

export interface CertificateServer {
  readonly nodeName: string;
  /** `https://host:10002`. */
  readonly httpServer: string;
  readonly timeoutMs: number;
  readonly paths: CertificatePaths;
}

/**
 * Joins with a token: fetches the CA, which the token pins by its hash, and gets a certificate for this node.
 *
 * @throws {HubError} with the one cause and the one thing to do.
 * @see `cloud-edge-protocol` §2.3
 */
export async function joinWithToken(server: CertificateServer, tokenText: string, signal: AbortSignal): Promise<void> {
  const token = parseJoinToken(tokenText);
  const { ca, clockAheadMs } = await fetchCa(server, token.caHash, signal);
  saveCa(server.paths, ca);
  try {
    const headers = () => ({ authorization: `Bearer ${token.bearer}` });
    await requestCertificate(server, { ca, what: "join token", headers }, signal);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const { expiresMs: tokenExpiresMs } = token;
    throw judgeJoinFailure(error, { server: server.httpServer, clockAheadMs, tokenExpiresMs, nowMs: Date.now() });
  }
}

/** Gets a new certificate on the strength of the present one. @throws {HubError} @see `cloud-edge-protocol` §2.4 */
export async function renewCertificate(
  server: CertificateServer,
  present: { readonly ca: string; readonly cert: string; readonly key: string },
  signal: AbortSignal,
): Promise<void> {
  const authority = { ca: present.ca, what: "present certificate", headers: () => ({}), identity: present };
  await requestCertificate(server, authority, signal);
}

/**
 * Gets a new certificate although the present one is over, by which no stock cloud knows us any more (W12): a cloud of
 * ours takes a signature with its key over the request for the new one.
 *
 * @throws {HubError} `TokenRefused`: the cloud does not know how, or does not want to.
 */
export async function renewExpired(
  server: CertificateServer,
  present: { readonly ca: string; readonly cert: string; readonly key: string },
  signal: AbortSignal,
): Promise<void> {
  const key = createPrivateKey(present.key);
  const headers = (csr: Buffer) => ({
    [RENEWAL_HEADER]: new X509Certificate(present.cert).raw.toString("base64"),
    [RENEWAL_PROOF_HEADER]: sign("sha256", csr, { key, dsaEncoding: "der" }).toString("base64"),
  });
  await requestCertificate(server, { ca: present.ca, what: "expired certificate", headers }, signal);
}

/**
 * Whether the cluster has a node of our name already. `keadm join` asks the same question.
 *
 * @returns `undefined` if the server does not say.
 */
export async function nodeExists(
  { nodeName, httpServer, timeoutMs }: CertificateServer,
  identity: { readonly ca: string; readonly cert: string; readonly key: string },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    const path = `/node/${encodeURIComponent(nodeName)}`;
    const { ca, cert, key } = identity;
    const { httpStatus } = await call({ server: httpServer, path, ca, identity: { cert, key }, timeoutMs }, signal);
    return httpStatus === 200 ? true : httpStatus === 404 ? false : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined; // joining itself will say what is wrong
  }
}

async function fetchCa(
  { httpServer, timeoutMs }: CertificateServer,
  hash: string,
  signal: AbortSignal,
): Promise<{ readonly ca: string; readonly clockAheadMs: number | undefined }> {
  const { httpStatus, body, date } = await call({ server: httpServer, path: "/ca.crt", timeoutMs }, signal);
  if (httpStatus !== 200) throw unexpected(httpServer, "/ca.crt", httpStatus, body);
  const found = createHash("sha256").update(body).digest("hex");
  if (found !== hash)
    throw new HubError(
      `${httpServer} is not the cloud that this token is from: its CA has hash ${found}, the token says ${hash}; check the address and get a new token`,
      { code: "CaHashMismatch", expected: hash, found },
    );
  const cloudMs = Date.parse(date ?? "");
  return { ca: certificatePem(body), clockAheadMs: Number.isNaN(cloudMs) ? undefined : Date.now() - cloudMs };
}

interface Authority {
  readonly ca: string;
  /** On the strength of which we ask. */
  readonly what: string;
  readonly headers: (csr: Buffer) => Readonly<Record<string, string>>;
  readonly identity?: { readonly cert: string; readonly key: string };
}

async function requestCertificate(server: CertificateServer, authority: Authority, signal: AbortSignal): Promise<void> {
  const { nodeName, httpServer, timeoutMs, paths } = server;
  const { ca, what, headers, identity } = authority;
  const { csr, privateKey } = newCertificateRequest(nodeName);
  const { httpStatus, body } = await call(
    {
      server: httpServer,
      path: "/edge.crt",
      headers: { ...headers(csr), NodeName: nodeName },
      body: csr,
      ca,
      identity: identity && { cert: identity.cert, key: identity.key },
      timeoutMs,
    },
    signal,
  );
  if (httpStatus === 401 || httpStatus === 403) {
    throw refused(`${httpServer} refused the ${what} of node ${nodeName}`, body);
  }
  if (httpStatus !== 200) throw unexpected(httpServer, "/edge.crt", httpStatus, body);
  const cert = certificatePem(body);
  checkCertificate(cert, privateKey, nodeName);
  savePair(paths, { cert, key: privateKey.export({ type: "sec1", format: "pem" }).toString() });
}

/** What we got must be what we asked for, or the next start would find files that it cannot use. */
function checkCertificate(
  cert: string,
  key: Parameters<X509Certificate["checkPrivateKey"]>[0],
  nodeName: string,
): void {
  const reason = (() => {
    try {
      return new X509Certificate(cert).checkPrivateKey(key) ? undefined : "it is for another key";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  })();
  if (reason === undefined) return;
  throw new HubError(`the cloud issued a certificate for node ${nodeName} that cannot be used: ${reason}`, {
    code: "BadCertificate",
    reason,
  });
}

async function call(...[options, signal]: Parameters<typeof callCertificateApi>) {
  try {
    return await callCertificateApi(options, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw explainFailure(error, options.server);
  }
}

function unexpected(server: string, path: string, httpStatus: number, body: Buffer): HubError {
  return new HubError(`${server}${path} answered with HTTP status ${httpStatus}${quoted(body)}; see cloudcore's log`, {
    code: "ServerRefused",
    httpStatus,
    retryAfterMs: undefined,
  });
}

/** Our own cloud says what to do, better than we could guess; a stock one does not. */
function refused(what: string, body: Buffer): HubError {
  const says = textOf(body);
  const cure = says.slice(says.lastIndexOf(": ") + 2);
  if (says.includes(": ") && /keadm|hostnameOverride|clock/.test(cure))
    return new HubError(`${what}: ${says}`, { code: "TokenRefused", fix: cure });
  const fix = "get a new token with `keadm gettoken` and set it in edgeHub.token";
  return new HubError(`${what}${quoted(body)}: ${fix}`, { code: "TokenRefused", fix });
}

function quoted(body: Buffer): string {
  const text = textOf(body);
  return text === "" ? "" : ` (${text})`;
}

function textOf(body: Buffer): string {
  return body.toString("utf8", 0, ANSWER_BYTES_SHOWN).trim();
}
