import { createHmac, timingSafeEqual } from "node:crypto";
import { PkiError } from "./pki-error.ts";

/** A longer one is none of ours. */
const TOKEN_CHARS_MAX = 4_096;
const HEADER = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");

/** What a token says, before anybody has checked who made it. */
export interface UnverifiedToken {
  readonly claims: Readonly<Record<string, unknown>>;
  /** Whether this key made it. Takes the same time for any wrong signature of the right length. */
  readonly madeWith: (key: Uint8Array) => boolean;
}

/** A JWT by HS256, as KubeEdge's clouds make it: header, claims and signature, with dots between. */
export function signToken(claims: object, key: Uint8Array): string {
  const signed = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
  return `${signed}.${signatureOf(signed, key)}`;
}

/** @throws {PkiError} `TokenMalformed`; also for any algorithm but HS256: a token must not choose how it is checked. */
export function readToken(jwt: string): UnverifiedToken {
  const [header, claims, signature, ...rest] = jwt.split(".", 4);
  if (
    jwt.length > TOKEN_CHARS_MAX ||
    header === undefined ||
    claims === undefined ||
    signature === undefined ||
    rest.length > 0 ||
    readJson(header)["alg"] !== "HS256"
  )
    throw malformed();
  const given = Buffer.from(signature);
  return {
    claims: readJson(claims),
    madeWith(key) {
      const expected = Buffer.from(signatureOf(`${header}.${claims}`, key));
      return expected.length === given.length && timingSafeEqual(expected, given);
    },
  };
}

/** The JWT in a whole token: what follows the CA's hash. @throws {PkiError} `TokenMalformed` */
export function bearerOf(token: string): string {
  const [, ...jwt] = token.split(".", 5);
  if (jwt.length !== 3) throw malformed();
  return jwt.join(".");
}

export function malformed(): PkiError {
  return new PkiError(
    "the join token is malformed: it has four parts with dots between, the first of which names the CA; copy all of it",
    { code: "TokenMalformed" },
  );
}

function signatureOf(signed: string, key: Uint8Array): string {
  return createHmac("sha256", key).update(signed).digest("base64url");
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
