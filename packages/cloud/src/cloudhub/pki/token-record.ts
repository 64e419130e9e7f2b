import { createHash, timingSafeEqual } from "node:crypto";
import type { Secret } from "@kedge/kube";
import { isoTime } from "./join-token.ts";
import { PkiError } from "./pki-error.ts";

/** Type of the Secrets that say which tokens there are; one Secret a token. */
export const TOKEN_SECRET_TYPE = "kedge.io/join-token";
/** Label of these Secrets, by which they are listed. */
export const TOKEN_LABEL = "kedge.io/join-token";
const NAME_PREFIX = "join-token-";
const ID = /^[0-9a-f]{16}$/;

/** What is known of a join token of ours. The token itself is nowhere: it was shown once, when it was made. */
export interface TokenRecord {
  /** 16 hexadecimal digits; `jti` of the token. */
  readonly id: string;
  /** The one node that may join with it; undefined: any. */
  readonly node?: string | undefined;
  readonly description?: string | undefined;
  readonly createdMs: number;
  readonly expiresMs: number;
  /** How often it has been used. */
  readonly uses: number;
  /** How often it may be used; undefined: as often as one likes until it expires. */
  readonly usesMax?: number | undefined;
  readonly lastUse?: { readonly node: string; readonly atMs: number; readonly address: string } | undefined;
  /** SHA-256 of the JWT, hexadecimal. */
  readonly hash: string;
}

export function tokenSecretName(id: string): string {
  return `${NAME_PREFIX}${id}`;
}

export function isTokenId(id: unknown): id is string {
  return typeof id === "string" && ID.test(id);
}

export function tokenHash(jwt: string): string {
  return createHash("sha256").update(jwt).digest("hex");
}

/** As a Secret's `data`: every replica of cloudcore, and `kubectl get secret -o yaml`, sees the same. */
export function tokenSecretData(record: TokenRecord): Record<string, string> {
  const { node, description, usesMax, lastUse } = record;
  const values = {
    hash: record.hash,
    created: isoTime(record.createdMs),
    expires: isoTime(record.expiresMs),
    uses: String(record.uses),
    ...(usesMax !== undefined && { usesMax: String(usesMax) }),
    ...(node !== undefined && { node }),
    ...(description !== undefined && { description }),
    ...(lastUse !== undefined && {
      lastUsedBy: lastUse.node,
      lastUsedAt: isoTime(lastUse.atMs),
      lastUsedFrom: lastUse.address,
    }),
  };
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
}

/** @returns undefined if it is no Secret of a token, or somebody has damaged it: then it lets nobody in. */
export function readTokenSecret({ metadata, type, data = {} }: Secret): TokenRecord | undefined {
  const id = metadata?.name?.slice(NAME_PREFIX.length);
  const value = (key: string) => {
    const base64 = data[key];
    return base64 === undefined ? undefined : Buffer.from(base64, "base64").toString();
  };
  const number = (key: string) => {
    const text = value(key);
    return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  };
  const [createdMs, expiresMs] = [Date.parse(value("created") ?? ""), Date.parse(value("expires") ?? "")];
  const [uses, usesMax, hash] = [number("uses"), number("usesMax"), value("hash")];
  const unlimited = value("usesMax") === undefined;
  if (type !== TOKEN_SECRET_TYPE || !isTokenId(id) || hash === undefined || uses === undefined) return undefined;
  if (Number.isNaN(createdMs) || Number.isNaN(expiresMs) || (usesMax === undefined && !unlimited)) return undefined;
  const lastUsedBy = value("lastUsedBy");
  return {
    id,
    hash,
    createdMs,
    expiresMs,
    uses,
    usesMax,
    node: value("node"),
    description: value("description"),
    lastUse:
      lastUsedBy === undefined
        ? undefined
        : { node: lastUsedBy, atMs: Date.parse(value("lastUsedAt") ?? ""), address: value("lastUsedFrom") ?? "" },
  };
}

/**
 * Whether this token, of which we know this, lets this node join now.
 *
 * @throws {PkiError} `TokenUnknown` `TokenExpired` `TokenOfOtherNode` `TokenUsedUp`, with what to do about it
 */
export function expectUsable(record: TokenRecord, jwt: string, node: string, nowMs: number): void {
  const { id, expiresMs, uses, usesMax, lastUse } = record;
  const [known, given] = [Buffer.from(record.hash), Buffer.from(tokenHash(jwt))];
  if (known.length !== given.length || !timingSafeEqual(known, given)) throw unknownToken(id);
  if (expiresMs <= nowMs)
    throw new PkiError(`join token ${id} expired at ${isoTime(expiresMs)}: make a new one with keadm token create`, {
      code: "TokenExpired",
      expiredAtMs: expiresMs,
    });
  if (record.node !== undefined && record.node !== node)
    throw new PkiError(
      `join token ${id} is for node ${record.node}, not for ${node}: give this host that name (hostnameOverride), or make a token for ${node} with keadm token create --node ${node}`,
      { code: "TokenOfOtherNode", id, node: record.node },
    );
  if (usesMax !== undefined && uses >= usesMax) {
    const last = lastUse === undefined ? "" : `, last by node ${lastUse.node} at ${isoTime(lastUse.atMs)}`;
    throw new PkiError(
      `join token ${id} was used ${uses} of ${usesMax} times${last}: make a new one with keadm token create`,
      { code: "TokenUsedUp", id },
    );
  }
}

export function unknownToken(id: string): PkiError {
  return new PkiError(
    `join token ${id} is not valid any more, since it was deleted: make a new one with keadm token create`,
    { code: "TokenUnknown", id },
  );
}
