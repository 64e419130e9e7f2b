import { createHmac, timingSafeEqual } from "node:crypto";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { PkiError } from "./pki-error.ts";

/** A longer one is none of ours. */
const TOKEN_CHARS_MAX = 4_096;
const HEADER = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");

/**
 * What an edge needs to join: the CA's hash, then a JWT that only the CA's owner can make.
 *
 * @see `cloud-edge-protocol` §2.2; stock edges and clouds read and make the same.
 */
export function createJoinToken(ca: CertificateAuthority, expiresAtMs: number): string {
  const claims = Buffer.from(JSON.stringify({ exp: Math.floor(expiresAtMs / 1000) })).toString("base64url");
  const signed = `${HEADER}.${claims}`;
  return `${ca.hash}.${signed}.${signatureOf(ca, signed)}`;
}

/**
 * Checks the JWT of a token: what follows the CA's hash.
 *
 * @throws {PkiError} `TokenMalformed`, `TokenForged` (also one of another CA), `TokenExpired`
 */
export function verifyBearer(ca: CertificateAuthority, jwt: string, nowMs: number): void {
  const [header, claims, signature, ...rest] = jwt.split(".");
  if (
    jwt.length > TOKEN_CHARS_MAX ||
    header === undefined ||
    claims === undefined ||
    signature === undefined ||
    rest.length > 0
  )
    throw malformed();
  // Only the algorithm that we use: a token must not choose how it is checked.
  if (readJson(header)["alg"] !== "HS256") throw malformed();
  const expected = Buffer.from(signatureOf(ca, `${header}.${claims}`));
  const given = Buffer.from(signature);
  if (expected.length !== given.length || !timingSafeEqual(expected, given))
    throw new PkiError(
      "the join token was not made with this cluster's CA: get the current one from Secret kubeedge/tokensecret",
      {
        code: "TokenForged",
      },
    );
  const { exp } = readJson(claims);
  if (typeof exp !== "number") throw malformed();
  if (exp * 1000 <= nowMs)
    throw new PkiError(
      `the join token expired at ${new Date(exp * 1000).toISOString()}: get the current one from Secret kubeedge/tokensecret`,
      { code: "TokenExpired", expiredAtMs: exp * 1000 },
    );
}

/** The JWT in a whole token. @throws {PkiError} `TokenMalformed` */
export function bearerOf(token: string): string {
  const parts = token.split(".");
  if (parts.length !== 4) throw malformed();
  return parts.slice(1).join(".");
}

function signatureOf(ca: CertificateAuthority, signed: string): string {
  return createHmac("sha256", ca.pair.key).update(signed).digest("base64url");
}

function readJson(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Reported below.
  }
  throw malformed();
}

function malformed(): PkiError {
  return new PkiError("the join token is malformed", { code: "TokenMalformed" });
}
