import { setImmediate as nextTurn } from "node:timers/promises";
import type { KubeRequest, KubeResponse, KubeTransport } from "@kedge/kube-client";
import type { UserInfo } from "../auth/user-info.ts";
import type { ApiRequest, ApiResponse } from "./api-exchange.ts";

/** Asks the API server that lives in the same process, as a given user: same rules, no TLS and no socket. */
export class InProcessTransport implements KubeTransport {
  readonly server = "in-process";
  readonly #user: UserInfo;
  readonly #respond: (request: ApiRequest) => Promise<ApiResponse>;
  readonly #serverSignal: AbortSignal;

  /** @param serverSignal aborts when the server stops. */
  constructor(user: UserInfo, respond: (request: ApiRequest) => Promise<ApiResponse>, serverSignal: AbortSignal) {
    this.#user = user;
    this.#respond = respond;
    this.#serverSignal = serverSignal;
  }

  async request({ method, path, headers, body, signal }: KubeRequest): Promise<KubeResponse> {
    // As a socket would: a caller that asks without end must not keep timers, I/O and commits from their turn.
    await nextTurn();
    signal.throwIfAborted();
    const url = new URL(path, "http://in-process");
    const response = await this.#respond({
      method,
      path: url.pathname,
      query: url.searchParams,
      headers,
      body: body ?? new Uint8Array(),
      user: this.#user,
      signal: AbortSignal.any([signal, this.#serverSignal]),
    });
    signal.throwIfAborted();
    return { status: response.status, headers: response.headers, body: bytesOf(response.body, signal) };
  }

  /** There is nothing to close: the server belongs to somebody else. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

async function* bytesOf(body: ApiResponse["body"], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (typeof body === "string") yield Buffer.from(body);
  else if (body instanceof Uint8Array) yield body;
  else
    for await (const part of body) {
      signal.throwIfAborted();
      yield typeof part === "string" ? Buffer.from(part) : part;
    }
  signal.throwIfAborted();
}
