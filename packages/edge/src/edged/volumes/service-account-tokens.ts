import type { Pod, ServiceAccountTokenProjection, TokenRequest } from "@kedge/kube";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";

const EXPIRATION_DEFAULT_SECONDS = 3600;
/** A token is renewed when this share of its life has passed, or when it is this old. */
const RENEW_SHARE = 0.8;
const RENEW_AGE_MAX_MS = 24 * 3_600_000;
const TOKENS_PER_POD_MAX = 100;

interface StoredToken {
  readonly token: string;
  readonly renewAtMs: number;
}

/**
 * Tokens that pods' volumes show. A token stays until its successor is here: an offline node goes on with what it has,
 * even past its end, since a stale token may still open what a missing one cannot.
 */
export class ServiceAccountTokens {
  readonly #bus: EdgeBus;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #pods = new Map<string, Map<string, StoredToken>>();
  /** Pods that show a token that should have been replaced already. */
  readonly #late = new Set<string>();

  constructor(bus: EdgeBus, clock: Clock, logger: Logger) {
    this.#bus = bus;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * @param shown the token that the volume holds already, from before the agent's start.
   * @throws what the cloud says, if there is no token to go on with.
   */
  async tokenFor(
    pod: Pod,
    projection: ServiceAccountTokenProjection,
    shown: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const { name = "", uid = "", namespace = "" } = pod.metadata ?? {};
    const audiences = projection.audience === undefined || projection.audience === "" ? [] : [projection.audience];
    const expirationSeconds = projection.expirationSeconds ?? EXPIRATION_DEFAULT_SECONDS;
    const key = JSON.stringify([audiences, expirationSeconds]);
    const present = this.#pods.get(uid)?.get(key);
    const now = this.#clock.now();
    // A clock that jumped back must not keep a token for longer than its life.
    if (present !== undefined && now < present.renewAtMs && present.renewAtMs - now <= RENEW_AGE_MAX_MS)
      return present.token;

    const serviceAccount = pod.spec?.serviceAccountName ?? "default";
    const token: TokenRequest = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences, expirationSeconds, boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid } },
    };
    try {
      const reply = await this.#bus.request("meta/requestToken", { namespace, serviceAccount, token }, signal);
      const { token: text, expirationTimestamp } = reply.status ?? { token: "", expirationTimestamp: "" };
      if (!text) throw new Error(`the cloud sent no token for service account ${namespace}/${serviceAccount}`);
      const endsMs = Date.parse(String(expirationTimestamp));
      const lifeMs = expirationSeconds * 1000;
      // Our clock may differ from the cloud's, and the token may come from a store: whichever is sooner.
      const restMs = Number.isNaN(endsMs) ? lifeMs : endsMs - now;
      const renewInMs = Math.max(
        0,
        Math.min(restMs - lifeMs * (1 - RENEW_SHARE), lifeMs * RENEW_SHARE, RENEW_AGE_MAX_MS),
      );
      this.#store(uid, key, { token: text, renewAtMs: now + renewInMs });
      if (renewInMs === 0) this.#late.add(uid); // MetaManager had nothing newer either
      return text;
    } catch (error) {
      signal.throwIfAborted();
      const old = present?.token ?? shown;
      if (old === undefined) throw error;
      this.#late.add(uid);
      this.#logger.warn({ pod: `${namespace}/${name}`, error: toError(error) }, "token not renewed, the old one stays");
      return old;
    }
  }

  /** Whether the pod's tokens, as asked for since the last call, are some that should have been replaced already. */
  takeLate(podUid: string): boolean {
    return this.#late.delete(podUid);
  }

  forget(podUid: string): void {
    this.#late.delete(podUid);
    this.#pods.delete(podUid);
  }

  #store(uid: string, key: string, stored: StoredToken): void {
    const tokens = this.#pods.get(uid) ?? new Map<string, StoredToken>();
    if (tokens.size >= TOKENS_PER_POD_MAX) tokens.clear();
    tokens.set(key, stored);
    this.#pods.set(uid, tokens);
  }
}
