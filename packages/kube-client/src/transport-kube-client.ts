import {
  apiVersionOf,
  type DeleteOptions,
  KubeApiError,
  type KubeList,
  type KubeObject,
  type KubeStatus,
  type ObjectKey,
  type ResourceType,
} from "@kedge/kube";
import { type Clock, systemClock } from "@kedge/runtime";
import type { KubeClient, ListOptions, PatchType, WatchChange, WatchOptions, WriteOptions } from "./kube-client.ts";
import { KubeClientError } from "./kube-client-error.ts";
import { type RateLimit, RateLimiter } from "./rate-limiter.ts";
import { readBody, readLines, RESPONSE_BYTES_MAX, WATCH_EVENT_BYTES_MAX } from "./read-body.ts";
import { collectionPath, objectPath, queryString } from "./resource-path.ts";
import type { KubeResponse, KubeTransport } from "./transport/kube-transport.ts";

const REQUEST_TIMEOUT_MS = 60_000;
/** A request that the server puts off (429 with Retry-After) is sent so often. */
const THROTTLED_TRIES_MAX = 4;
const THROTTLED_WAIT_MS_MAX = 5_000;
const PATCH_CONTENT_TYPES: Readonly<Record<PatchType, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};
const METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
const METADATA_OBJECT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

export interface KubeClientOptions {
  readonly userAgent?: string | undefined;
  /** Of one request but a watch, from its start to the last byte of its answer. */
  readonly requestTimeoutMs?: number | undefined;
  readonly rateLimit?: RateLimit | undefined;
  readonly clock?: Clock | undefined;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly accept?: string | undefined;
  readonly contentType?: string | undefined;
  readonly body?: unknown;
  readonly streaming?: boolean;
}

/** {@link KubeClient} over any transport. Owns the transport: disposing this disposes it. */
export class TransportKubeClient implements KubeClient {
  readonly #transport: KubeTransport;
  readonly #userAgent: string;
  readonly #requestTimeoutMs: number;
  readonly #limiter: RateLimiter | undefined;
  readonly #clock: Clock;

  constructor(transport: KubeTransport, options: KubeClientOptions = {}) {
    const { userAgent = "kedge", requestTimeoutMs = REQUEST_TIMEOUT_MS, rateLimit, clock = systemClock } = options;
    this.#transport = transport;
    this.#userAgent = userAgent;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#clock = clock;
    this.#limiter = rateLimit === undefined ? undefined : new RateLimiter(rateLimit, clock);
  }

  async get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, signal: AbortSignal): Promise<T> {
    return this.#json<T>({ method: "GET", path: objectPath(type, key) }, signal);
  }

  async list<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions,
    signal: AbortSignal,
  ): Promise<KubeList<T>> {
    const { namespace, metadataOnly = false, ...query } = options;
    const path = collectionPath(type, namespace) + queryString({ ...query });
    const list = await this.#json<Partial<KubeList<T>>>(
      { method: "GET", path, accept: metadataOnly ? METADATA_LIST : undefined },
      signal,
    );
    const items = list.items ?? [];
    for (const item of items) {
      item.apiVersion ??= apiVersionOf(type); // built-in lists leave both out of their items
      item.kind ??= type.kind;
    }
    return { ...list, metadata: list.metadata ?? {}, items };
  }

  async create<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal: AbortSignal,
    options: WriteOptions = {},
  ): Promise<T> {
    const { namespace, name = "" } = object.metadata ?? {};
    const { subresource } = options;
    if (type.namespaced && namespace === undefined)
      throw new TypeError(`${type.resource} ${name}: a namespace is needed`);
    const path =
      subresource === undefined ? collectionPath(type, namespace) : objectPath(type, { namespace, name }, subresource);
    return this.#json<T>({ method: "POST", path: path + writeQuery(options), body: typed(type, object) }, signal);
  }

  async update<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal: AbortSignal,
    options: WriteOptions = {},
  ): Promise<T> {
    const { namespace, name = "" } = object.metadata ?? {};
    const path = objectPath(type, { namespace, name }, options.subresource) + writeQuery(options);
    return this.#json<T>({ method: "PUT", path, body: typed(type, object) }, signal);
  }

  async patch<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    patch: { readonly type: PatchType; readonly body: unknown },
    signal: AbortSignal,
    options: WriteOptions = {},
  ): Promise<T> {
    const path = objectPath(type, key, options.subresource) + writeQuery(options);
    return this.#json<T>(
      { method: "PATCH", path, contentType: PATCH_CONTENT_TYPES[patch.type], body: patch.body },
      signal,
    );
  }

  async delete(type: ResourceType, key: ObjectKey, signal: AbortSignal, options?: DeleteOptions): Promise<void> {
    await this.#json({ method: "DELETE", path: objectPath(type, key), body: deleteBody(options) }, signal);
  }

  async deleteCollection(
    type: ResourceType,
    selection: Pick<ListOptions, "namespace" | "labelSelector" | "fieldSelector">,
    signal: AbortSignal,
    options?: DeleteOptions,
  ): Promise<void> {
    const { namespace, ...query } = selection;
    if (type.namespaced && namespace === undefined) throw new TypeError(`${type.resource}: a namespace is needed`);
    const path = collectionPath(type, namespace) + queryString({ ...query });
    await this.#json({ method: "DELETE", path, body: deleteBody(options) }, signal);
  }

  async createSubresource<Q extends object, P>(
    type: ResourceType,
    key: ObjectKey,
    subresource: string,
    body: Q,
    signal: AbortSignal,
  ): Promise<P> {
    return this.#json<P>({ method: "POST", path: objectPath(type, key, subresource), body }, signal);
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncGenerator<WatchChange<T>> {
    const { namespace, metadataOnly = false, ...query } = options;
    const path = collectionPath(type, namespace) + queryString({ ...query, watch: true });
    const call: Call = { method: "GET", path, streaming: true, accept: metadataOnly ? METADATA_OBJECT : undefined };
    const response = await this.#exchange(call, signal);
    if (response.status !== 200) throw await this.#refusal(response, path);
    for await (const line of readLines(response.body, WATCH_EVENT_BYTES_MAX)) {
      const event = parseJson<{ type: string; object: T }>(line, path);
      if (event.type === "ERROR") throw new KubeApiError(event.object as KubeStatus);
      yield event as WatchChange<T>;
    }
  }

  async raw(
    method: string,
    path: string,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<{ status: number; body: string }> {
    return this.#timed(signal, async (limited) => {
      const response = await this.#exchange({ method, path, body, accept: "*/*" }, limited);
      return { status: response.status, body: await readBody(response.body, RESPONSE_BYTES_MAX) };
    });
  }

  async #json<T>(call: Call, signal: AbortSignal): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#jsonOnce<T>(call, signal);
      } catch (error) {
        const waitMs = throttledForMs(error, call);
        if (waitMs === undefined || tries === THROTTLED_TRIES_MAX) throw error;
        await this.#clock.sleep(waitMs, signal);
      }
    }
  }

  async #jsonOnce<T>(call: Call, signal: AbortSignal): Promise<T> {
    return this.#timed(signal, async (limited) => {
      const response = await this.#exchange(call, limited);
      if (response.status < 200 || response.status > 299) throw await this.#refusal(response, call.path);
      return parseJson<T>(await readBody(response.body, RESPONSE_BYTES_MAX), call.path);
    });
  }

  async #timed<T>(signal: AbortSignal, act: (limited: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#limiter !== undefined) await this.#limiter.take(signal); // our own waiting is not the server's slowness
    // By hand: `AbortSignal.timeout` and `any` would hold memory for a minute after each request.
    const limited = new AbortController();
    const onAbort = () => limited.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      limited.abort();
    }, this.#requestTimeoutMs);
    try {
      return await act(limited.signal);
    } catch (error) {
      if (signal.aborted || !timedOut) throw error;
      const [server, timeoutMs] = [this.#transport.server, this.#requestTimeoutMs];
      throw new KubeClientError(
        `the Kubernetes API at ${server} did not answer within ${timeoutMs} ms`,
        { code: "TimedOut", server, timeoutMs },
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #exchange(call: Call, signal: AbortSignal): Promise<KubeResponse> {
    const { method, path, accept = "application/json", contentType = "application/json", streaming = false } = call;
    const headers: Record<string, string> = { accept, "user-agent": this.#userAgent };
    if (call.body === undefined) return this.#transport.request({ method, path, headers, streaming, signal });
    headers["content-type"] = contentType;
    const body = Buffer.from(JSON.stringify(call.body));
    return this.#transport.request({ method, path, headers, body, streaming, signal });
  }

  /** The Status in an answer's body, or one made from what is there. */
  async #refusal(response: KubeResponse, path: string): Promise<KubeApiError> {
    const text = await readBody(response.body, RESPONSE_BYTES_MAX);
    const fallback = (): KubeStatus => ({
      status: "Failure",
      code: response.status,
      reason: REASONS[response.status] ?? "Unknown",
      message: `${path}: HTTP ${response.status}: ${text.slice(0, 500)}`,
    });
    let status: KubeStatus;
    try {
      const parsed = JSON.parse(text) as KubeStatus | null;
      status = parsed?.kind === "Status" ? parsed : fallback();
    } catch {
      status = fallback();
    }
    const retryAfterSeconds = Number(response.headers["retry-after"]);
    if (Number.isFinite(retryAfterSeconds) && status.details?.retryAfterSeconds === undefined)
      status = { ...status, details: { ...status.details, retryAfterSeconds } };
    return new KubeApiError(status);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }
}

/** For answers without a Status, such as a proxy's. */
const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** How long a busy server asks us to wait; it has done nothing yet. An eviction is refused for a reason of its own. */
function throttledForMs(error: unknown, { path }: Call): number | undefined {
  if (!(error instanceof KubeApiError) || error.details.httpStatus !== 429 || path.endsWith("/eviction"))
    return undefined;
  const seconds = error.status.details?.retryAfterSeconds;
  return seconds === undefined ? undefined : Math.min(seconds * 1000, THROTTLED_WAIT_MS_MAX);
}

function typed<T extends KubeObject>(type: ResourceType<T>, object: T): T {
  return { ...object, apiVersion: object.apiVersion ?? apiVersionOf(type), kind: object.kind ?? type.kind };
}

function writeQuery({ fieldManager, dryRun = false, force = false }: WriteOptions): string {
  return queryString({ fieldManager, dryRun: dryRun ? "All" : undefined, force });
}

function deleteBody(options: DeleteOptions | undefined): DeleteOptions | undefined {
  return options === undefined ? undefined : { apiVersion: "v1", kind: "DeleteOptions", ...options };
}

function parseJson<T>(text: string, path: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new KubeClientError(
      `the API server's answer to ${path} is not JSON: ${text.slice(0, 100)}`,
      { code: "BadResponse", path },
      { cause },
    );
  }
}
