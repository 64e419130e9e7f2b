import type { CertificateAuthority } from "./certificate-authority.ts";
import { malformed, readToken, signToken, type UnverifiedToken } from "./json-web-token.ts";
import { PkiError } from "./pki-error.ts";

/**
 * KubeEdge's token, one for all nodes: the CA's hash, then a JWT that only the CA's owner can make.
 *
 * @see `cloud-edge-protocol` §2.2; stock edges and clouds read and make the same.
 */
export function createJoinToken(ca: CertificateAuthority, expiresAtMs: number): string {
  return `${ca.hash}.${signToken({ exp: Math.floor(expiresAtMs / 1000) }, ca.pair.key)}`;
}

/**
 * Checks the JWT of a token: what follows the CA's hash.
 *
 * @throws {PkiError} `TokenMalformed`, `TokenForged` (also one of another CA), `TokenExpired`
 */
export function verifyBearer(ca: CertificateAuthority, jwt: string, nowMs: number): void {
  const token = readToken(jwt);
  if (!token.madeWith(ca.pair.key))
    throw new PkiError(
      "the join token was not made by this cluster: take the current one, with keadm gettoken or keadm token create",
      { code: "TokenForged" },
    );
  expectTime(token, nowMs);
}

/** @throws {PkiError} `TokenMalformed`, `TokenNotYetValid`, `TokenExpired` */
export function expectTime({ claims }: Pick<UnverifiedToken, "claims">, nowMs: number): void {
  const { exp, nbf = 0 } = claims;
  if (typeof exp !== "number" || typeof nbf !== "number") throw malformed();
  if (nbf * 1000 > nowMs)
    throw new PkiError(`the join token is valid from ${isoTime(nbf * 1000)} on: wait, or check this host's clock`, {
      code: "TokenNotYetValid",
      validFromMs: nbf * 1000,
    });
  if (exp * 1000 <= nowMs)
    throw new PkiError(
      `the join token expired at ${isoTime(exp * 1000)}: take a new one, with keadm gettoken or keadm token create`,
      { code: "TokenExpired", expiredAtMs: exp * 1000 },
    );
}

/** Whole seconds; also for numbers that are no time, since they come from outside. */
export function isoTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "a time that is none" : date.toISOString().replace(/\.\d+Z$/, "Z");
}
