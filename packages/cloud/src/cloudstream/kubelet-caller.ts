import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { TOKEN_REVIEWS, type TokenReview } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import type { Clock } from "@kedge/runtime";
import { ExpiringCache } from "./expiring-cache.ts";
import { KubeletRefusal } from "./kubelet-refusal.ts";

/** Who is calling, as the API server knows them. */
export interface KubeletCaller {
  readonly user: string;
  readonly groups: readonly string[];
  readonly uid?: string | undefined;
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** Tokens whose holder we remember. */
const TOKENS_MAX = 1_000;
/** As a kubelet: a token that was revoked works on for so long at most. */
const TOKEN_KEPT_MS = 2 * 60_000;
/** A token that is not good is asked about again after this. */
const BAD_TOKEN_KEPT_MS = 10_000;
/** Longer ones are not asked about. */
const TOKEN_CHARS_MAX = 16 * 1024;
/** Questions to the API server about tokens, at once: strangers may come with any number of them. */
const REVIEWS_AT_ONCE_MAX = 16;
const REVIEW_MS_MAX = 10_000;
const AUTHENTICATED = "system:authenticated";

/** Finds out who calls: by a client certificate of the API server's clients' CA, or by a token that the API server knows. */
export class KubeletCallers {
  readonly #kube: KubeClient;
  readonly #clock: Clock;
  readonly #known: ExpiringCache<KubeletCaller | "bad">;
  #reviews = 0;

  constructor(kube: KubeClient, clock: Clock) {
    this.#kube = kube;
    this.#clock = clock;
    this.#known = new ExpiringCache(TOKENS_MAX, clock);
  }

  /** @throws {KubeletRefusal} `Unauthorized`; `CannotTell`: the API server does not say now. */
  async identify(socket: TLSSocket, authorization: string | undefined, signal: AbortSignal): Promise<KubeletCaller> {
    const holder = this.#certificateHolder(socket);
    if (holder !== undefined) return holder;
    const token = /^bearer +(\S+)\s*$/i.exec(authorization ?? "")?.[1];
    if (token !== undefined && token.length <= TOKEN_CHARS_MAX) return this.#tokenHolder(token, signal);
    const shown = hasCertificate(socket)
      ? `its client certificate is not accepted (${String(socket.authorizationError)}): it must be of the CA in ConfigMap kube-system/extension-apiserver-authentication, or of modules.cloudStream.tlsStreamCAFile`
      : "it shows neither a client certificate nor a bearer token";
    throw KubeletRefusal.of("Unauthorized", `whoever calls is unknown: ${shown}`);
  }

  /** The handshake has verified chain and time; a connection may outlive the certificate that opened it. */
  #certificateHolder(socket: TLSSocket): KubeletCaller | undefined {
    if (!socket.authorized) return undefined;
    const { subject, valid_to: until } = socket.getPeerCertificate();
    const user = [subject?.CN ?? []].flat()[0] ?? "";
    if (user === "" || Date.parse(until) < this.#clock.now()) return undefined;
    return { user, groups: [...new Set([...[subject.O ?? []].flat(), AUTHENTICATED])] };
  }

  async #tokenHolder(token: string, signal: AbortSignal): Promise<KubeletCaller> {
    const key = createHash("sha256").update(token).digest("base64");
    const known = this.#known.get(key) ?? (await this.#review(key, token, signal));
    if (known === "bad") throw KubeletRefusal.of("Unauthorized", "the API server does not know this bearer token");
    return known;
  }

  async #review(key: string, token: string, signal: AbortSignal): Promise<KubeletCaller | "bad"> {
    if (this.#reviews >= REVIEWS_AT_ONCE_MAX)
      throw KubeletRefusal.of("CannotTell", "too many bearer tokens are being looked at: try again");
    this.#reviews += 1;
    try {
      const body: TokenReview = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } };
      const limited = AbortSignal.any([signal, AbortSignal.timeout(REVIEW_MS_MAX)]);
      const { status } = await this.#kube.create(TOKEN_REVIEWS, body, limited);
      const { username = "", groups = [], uid, extra } = status?.user ?? {};
      const caller = status?.authenticated === true && username !== "" ? { user: username, groups, uid, extra } : "bad";
      this.#known.set(key, caller, caller === "bad" ? BAD_TOKEN_KEPT_MS : TOKEN_KEPT_MS);
      return caller;
    } catch (error) {
      signal.throwIfAborted();
      throw KubeletRefusal.of("CannotTell", "the API server does not tell now whose bearer token this is", error);
    } finally {
      this.#reviews -= 1;
    }
  }
}

function hasCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate() as object).length > 0;
}
