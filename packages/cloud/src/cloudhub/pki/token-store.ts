import { createHash, randomBytes } from "node:crypto";
import { type Secret, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { signToken } from "./json-web-token.ts";
import { PkiError } from "./pki-error.ts";
import { CA_SECRET, KUBEEDGE_NAMESPACE } from "./secrets.ts";
import {
  isTokenId,
  readTokenSecret,
  TOKEN_LABEL,
  TOKEN_SECRET_TYPE,
  tokenHash,
  type TokenRecord,
  tokenSecretData,
  tokenSecretName,
} from "./token-record.ts";

/** Whoever holds what is in here can make join tokens; delete it, and all of ours are void (W10). */
export const TOKEN_KEY_SECRET = { name: "join-token-key", key: "key", type: "kedge.io/join-token-key" } as const;
const KEY_BYTES = 32;
/** A token lives no longer than this many days: one that is forgotten must not be a door for ever. */
export const TOKEN_DAYS_MAX = 365;
/** Uses that one token may be given. */
export const TOKEN_USES_MAX = 100_000;
/** Of the words that say what a token is for. */
export const TOKEN_DESCRIPTION_CHARS_MAX = 256;
const DAY_MS = 24 * 60 * 60_000;
const PAGE = 500;

export interface NewToken {
  /** The one node that may join with it. */
  readonly node?: string | undefined;
  readonly ttlMs: number;
  readonly usesMax?: number | undefined;
  readonly description?: string | undefined;
}

/** Join tokens as Secrets in the cluster: made, listed and revoked by whoever may write Secrets there. */
export class TokenStore {
  readonly #kube: KubeClient;

  constructor(kube: KubeClient) {
    this.#kube = kube;
  }

  /**
   * @returns the token, which nobody can show again, and what is kept of it.
   * @throws {PkiError} `NoCa`: cloudcore has never run in this cluster. RangeError for what is out of bounds.
   */
  async create(wanted: NewToken, nowMs: number, signal: AbortSignal): Promise<{ token: string; record: TokenRecord }> {
    const { node, ttlMs, usesMax, description } = wanted;
    if (!(ttlMs >= 1000 && ttlMs <= TOKEN_DAYS_MAX * DAY_MS))
      throw new RangeError(`a token may live from one second to ${TOKEN_DAYS_MAX} days`);
    if (usesMax !== undefined && !(Number.isInteger(usesMax) && usesMax >= 1 && usesMax <= TOKEN_USES_MAX))
      throw new RangeError(`a token may have from 1 to ${TOKEN_USES_MAX} uses`);
    if ((description?.length ?? 0) > TOKEN_DESCRIPTION_CHARS_MAX)
      throw new RangeError(`a description has at most ${TOKEN_DESCRIPTION_CHARS_MAX} characters`);
    const [caHash, key] = [await this.#caHash(signal), await this.#ensureKey(signal)];
    const id = randomBytes(8).toString("hex");
    const expires = Math.floor((nowMs + ttlMs) / 1000);
    const jwt = signToken({ jti: id, exp: expires, ...(node !== undefined && { node }) }, key);
    const record: TokenRecord = {
      id,
      node,
      description,
      createdMs: nowMs,
      expiresMs: expires * 1000,
      uses: 0,
      usesMax,
      hash: tokenHash(jwt),
    };
    const metadata = { namespace: KUBEEDGE_NAMESPACE, name: tokenSecretName(id), labels: { [TOKEN_LABEL]: "" } };
    const secret: Secret = { metadata, type: TOKEN_SECRET_TYPE, data: tokenSecretData(record) };
    await this.#kube.create(SECRETS, secret, signal);
    return { token: `${caHash}.${jwt}`, record };
  }

  /** All, the oldest first. */
  async list(signal: AbortSignal): Promise<TokenRecord[]> {
    const records: TokenRecord[] = [];
    let next: string | undefined;
    do {
      const options = { namespace: KUBEEDGE_NAMESPACE, labelSelector: TOKEN_LABEL, limit: PAGE, continue: next };
      const page = await this.#kube.list(SECRETS, options, signal);
      records.push(...page.items.map(readTokenSecret).filter((record) => record !== undefined));
      next = page.metadata.continue === "" ? undefined : page.metadata.continue;
    } while (next !== undefined);
    return records.toSorted((one, other) => one.createdMs - other.createdMs || one.id.localeCompare(other.id));
  }

  /** From then on no cloudcore takes it. @returns false: there is none of this id. */
  async delete(id: string, signal: AbortSignal): Promise<boolean> {
    if (!isTokenId(id)) return false;
    try {
      await this.#kube.delete(SECRETS, { namespace: KUBEEDGE_NAMESPACE, name: tokenSecretName(id) }, signal);
      return true;
    } catch (error) {
      if (hasCode(error, "NotFound")) return false;
      throw error;
    }
  }

  /** @returns the Secret as it is now, and what it says; undefined: there is none. */
  async get(id: string, signal: AbortSignal): Promise<{ secret: Secret; record: TokenRecord } | undefined> {
    const secret = await this.#getSecret(tokenSecretName(id), signal);
    const record = secret === undefined ? undefined : readTokenSecret(secret);
    return secret === undefined || record === undefined ? undefined : { secret, record };
  }

  /** @param secret as {@link get} gave it. @throws KubeApiError `Conflict` if it has changed since, `NotFound` */
  async replace(secret: Secret, record: TokenRecord, signal: AbortSignal): Promise<void> {
    await this.#kube.update(SECRETS, { ...secret, data: tokenSecretData(record) }, signal);
  }

  /** What tokens are signed with; undefined: nobody has made one yet, or all were voided. */
  async key(signal: AbortSignal): Promise<Buffer | undefined> {
    const secret = await this.#getSecret(TOKEN_KEY_SECRET.name, signal);
    const key = Buffer.from(secret?.data?.[TOKEN_KEY_SECRET.key] ?? "", "base64");
    return key.length >= KEY_BYTES ? key : undefined;
  }

  async #ensureKey(signal: AbortSignal): Promise<Buffer> {
    const found = await this.key(signal);
    if (found !== undefined) return found;
    const { name, key, type } = TOKEN_KEY_SECRET;
    const made = randomBytes(KEY_BYTES);
    const metadata = { namespace: KUBEEDGE_NAMESPACE, name };
    try {
      await this.#kube.create(SECRETS, { metadata, type, data: { [key]: made.toString("base64") } }, signal);
      return made;
    } catch (error) {
      if (!hasCode(error, "AlreadyExists")) throw error;
    }
    const theirs = await this.key(signal); // somebody else made it in this very moment
    if (theirs !== undefined) return theirs;
    const where = `Secret ${KUBEEDGE_NAMESPACE}/${name}`;
    throw new PkiError(`${where} holds no key of ${KEY_BYTES} bytes: delete it, then make the token again`, {
      code: "InvalidKey",
      where,
    });
  }

  async #caHash(signal: AbortSignal): Promise<string> {
    const ca = await this.#getSecret(CA_SECRET.name, signal);
    const certificate = Buffer.from(ca?.data?.[CA_SECRET.certificate] ?? "", "base64");
    if (certificate.length > 0) return createHash("sha256").update(certificate).digest("hex");
    const where = `Secret ${KUBEEDGE_NAMESPACE}/${CA_SECRET.name}`;
    throw new PkiError(`${where} holds no CA yet: start cloudcore on this cluster first`, { code: "NoCa", where });
  }

  async #getSecret(name: string, signal: AbortSignal): Promise<Secret | undefined> {
    try {
      return await this.#kube.get(SECRETS, { namespace: KUBEEDGE_NAMESPACE, name }, signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }
}
