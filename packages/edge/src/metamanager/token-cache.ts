import { KubeApiError, type TokenRequest } from "@kedge/kube";
import { readQueriedObject, requestToken } from "@kedge/protocol";
import { type Clock, hasCode, type Logger, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { CloudRequests } from "./cloud-requests.ts";
import type { MetaRepository } from "./meta-repository.ts";
import { tokenRowKey, tokenState } from "./token-row.ts";

export interface TokenQuestion {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly token: TokenRequest;
}

/**
 * ServiceAccount tokens, kept in table `meta` until their successors are stored: a node that is cut off goes on mounting
 * the last one it got, even if that has expired; the API server, not we, says whether it still serves.
 */
export class TokenCache {
  readonly #repository: MetaRepository;
  readonly #commits: GroupCommit;
  readonly #cloud: CloudRequests;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #asking = new Map<string, Promise<TokenRequest>>();

  constructor(
    repository: MetaRepository,
    commits: GroupCommit,
    cloud: CloudRequests,
    options: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#repository = repository;
    this.#commits = commits;
    this.#cloud = cloud;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** @throws `NotConnected`, `Timeout` if there is none to fall back to; `KubeApiError` if the API server refuses one. */
  async get(question: TokenQuestion, signal: AbortSignal): Promise<TokenRequest> {
    const rowKey = tokenRowKey(question.namespace, question.serviceAccount, question.token);
    const cached = this.#read(rowKey);
    const state = cached === undefined ? "expired" : tokenState(cached, this.#clock.now());
    if (cached !== undefined && state === "fresh") return cached;
    try {
      const asked =
        this.#asking.get(rowKey) ?? this.#ask(rowKey, question, signal).finally(() => this.#asking.delete(rowKey));
      this.#asking.set(rowKey, asked);
      return await asked;
    } catch (error) {
      // The API server's refusal is an answer. That nobody could be asked is none: go on with what we have.
      const unanswered = hasCode(error, "NotConnected") || hasCode(error, "Timeout") || isServerFailure(error);
      if (cached === undefined || !unanswered) throw error;
      this.#logger.warn({ rowKey, state, error: toError(error) }, "token not renewed; the present one is used on");
      return cached;
    }
  }

  async #ask(rowKey: string, { namespace, serviceAccount, token }: TokenQuestion, signal: AbortSignal) {
    const message = requestToken({ namespace, name: serviceAccount }, wireTokenRequest(token));
    const reply = await this.#cloud.ask(message, signal);
    const answer = readQueriedObject<TokenRequest>(reply.content);
    if (!holdsToken(answer))
      throw new Error(`the cloud's answer for a token of ${namespace}/${serviceAccount} holds none`);
    const value = JSON.stringify(answer);
    await this.#commits.write(() => this.#repository.put({ key: rowKey, type: "serviceaccounttoken", value }));
    return answer;
  }

  #read(rowKey: string): TokenRequest | undefined {
    const value = this.#repository.get(rowKey);
    if (value === undefined) return undefined;
    try {
      const token = JSON.parse(value) as TokenRequest;
      return holdsToken(token) ? token : undefined;
    } catch {
      return undefined; // an older agent may have stored an error in its place
    }
  }
}

function isServerFailure(error: unknown): boolean {
  return error instanceof KubeApiError && error.details.httpStatus >= 500;
}

function holdsToken(token: TokenRequest): boolean {
  return typeof token.status?.token === "string" && token.status.token !== "";
}

/** As a Go client writes it: all members, `null` where it has nothing to say. */
function wireTokenRequest({ spec }: TokenRequest): TokenRequest {
  const { audiences, expirationSeconds, boundObjectRef } = spec;
  return {
    metadata: { creationTimestamp: null },
    spec: { audiences: audiences ?? null, expirationSeconds, boundObjectRef: boundObjectRef ?? null },
    status: { token: "", expirationTimestamp: null },
  } as unknown as TokenRequest;
}
