import type { KubeClient } from "@kedge/kube-client";
import { type Clock, hasCode, type Logger } from "@kedge/runtime";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { RateLimits } from "../rate-limits.ts";
import { readToken } from "./json-web-token.ts";
import { expectTime, verifyBearer } from "./join-token.ts";
import { PkiError } from "./pki-error.ts";
import { expectUsable, isTokenId, type TokenRecord, unknownToken } from "./token-record.ts";
import { TokenStore } from "./token-store.ts";

/** A token of an unknown key makes us look whether there is a new key: so often at once, then once in… */
const KEY_LOOKS_BURST_MAX = 10;
/** …this many ms. */
const KEY_LOOKS_REFILL_MS = 1_000;
/** Two replicas may count a use at the same moment: the later one looks again, at most this often. */
const COUNT_TRIES_MAX = 20;

const KEY_LOOKS = "key";

export interface TokenGateDeps {
  readonly ca: CertificateAuthority;
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether KubeEdge's token, one for all nodes, lets nodes join. */
  readonly sharedToken: boolean;
}

/** A join token that lets this node in. */
export interface AcceptedToken {
  /** Undefined: the token that all nodes share. */
  readonly id: string | undefined;
  /** The token is for this one node. */
  readonly bound: boolean;
  /**
   * Counts one use, on which all replicas agree; to be called before anything is given for the token.
   *
   * @throws {PkiError} `TokenUsedUp`, `TokenUnknown`, … if it is not good any more.
   */
  use(address: string, signal: AbortSignal): Promise<void>;
}

/** Decides which tokens let a node join: the shared one of KubeEdge, and those of `keadm token create`. */
export class TokenGate {
  readonly #deps: TokenGateDeps;
  readonly #store: TokenStore;
  /** One count after the other for each token: they would only make each other try again. */
  readonly #counting = new Map<string, Promise<unknown>>();
  readonly #keyLooks: RateLimits;
  /** As it was read last, or is being read. */
  #key: Promise<Buffer | undefined> = Promise.resolve(undefined);

  constructor(deps: TokenGateDeps) {
    this.#deps = deps;
    this.#store = new TokenStore(deps.kube);
    this.#keyLooks = new RateLimits({ burst: KEY_LOOKS_BURST_MAX, refillMs: KEY_LOOKS_REFILL_MS }, deps.clock);
  }

  /**
   * @param jwt the token without its first part.
   * @throws {PkiError} saying why it does not let this node join; whatever the API server fails with.
   */
  async accept(jwt: string, node: string, signal: AbortSignal): Promise<AcceptedToken> {
    const { claims, madeWith } = readToken(jwt);
    const { jti: id } = claims;
    if (id === undefined) return this.#acceptShared(jwt);
    if (!isTokenId(id) || !(await this.#isOurs(madeWith, signal)))
      throw new PkiError(
        "the join token was not made by this cluster, or all of its tokens were voided: make a new one with keadm token create",
        { code: "TokenForged" },
      );
    expectTime({ claims }, this.#deps.clock.now());
    const found = await this.#store.get(id, signal);
    if (found === undefined) throw unknownToken(id);
    expectUsable(found.record, jwt, node, this.#deps.clock.now());
    return {
      id,
      bound: found.record.node !== undefined,
      use: (address, useSignal) => this.#count(id, jwt, node, address, useSignal),
    };
  }

  #acceptShared(jwt: string): AcceptedToken {
    const { ca, clock, sharedToken } = this.#deps;
    verifyBearer(ca, jwt, clock.now());
    if (!sharedToken)
      throw new PkiError(
        "this cluster does not take the token that all nodes share (modules.cloudHub.sharedToken): make one with keadm token create",
        { code: "TokenSwitchedOff" },
      );
    return { id: undefined, bound: false, use: () => Promise.resolve() };
  }

  /**
   * Strangers must not be able to make us ask the API server: how often a token that the key at hand has not signed leads to
   * another look is bounded. What it has signed is held against the key that there is now, which an administrator may have
   * taken away.
   */
  async #isOurs(madeWith: (key: Uint8Array) => boolean, signal: AbortSignal): Promise<boolean> {
    const last = await this.#key.catch(() => undefined);
    const known = last !== undefined && madeWith(last);
    if (!known && !this.#keyLooks.take(KEY_LOOKS)) return false;
    this.#key = this.#store.key(signal);
    const key = await this.#key;
    return key !== undefined && madeWith(key);
  }

  async #count(id: string, jwt: string, node: string, address: string, signal: AbortSignal): Promise<void> {
    const before = this.#counting.get(id);
    const counted = (async () => {
      await before?.catch(() => undefined);
      await this.#countOnce(id, jwt, node, address, signal);
    })();
    this.#counting.set(id, counted);
    try {
      await counted;
    } finally {
      if (this.#counting.get(id) === counted) this.#counting.delete(id);
    }
  }

  async #countOnce(id: string, jwt: string, node: string, address: string, signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const found = await this.#store.get(id, signal);
      if (found === undefined) throw unknownToken(id);
      const { secret, record } = found;
      const now = this.#deps.clock.now();
      expectUsable(record, jwt, node, now);
      const used: TokenRecord = { ...record, uses: record.uses + 1, lastUse: { node, atMs: now, address } };
      try {
        await this.#store.replace(secret, used, signal);
        this.#deps.logger.info({ token: id, node, remote: address, uses: used.uses }, "join token used");
        return;
      } catch (error) {
        if (hasCode(error, "NotFound")) throw unknownToken(id);
        if (!hasCode(error, "Conflict") || tries === COUNT_TRIES_MAX) throw error;
      }
    }
  }
}
