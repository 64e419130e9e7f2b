import { KubeApiError, type KubeObject, type ResourceType } from "@kedge/kube";
import { Backoff, type Clock, type Logger, toError } from "@kedge/runtime";
import type { KubeClient, ListOptions, WatchChange } from "../kube-client.ts";

const PAGE_SIZE = 500;
const WATCH_SECONDS = 290;
const WATCH_SECONDS_SPREAD = 290;
/** A watch that says nothing for this long, not even a bookmark (one a minute), may be cut: we ask anew. */
const STALL_MS = 150_000;
const RETRY_INITIAL_MS = 250;
const RETRY_MAX_MS = 30_000;
/** A watch that ends sooner, without having said anything, did not work: asking anew at once would hammer the server. */
const WATCH_MS_MIN = 1_000;
/** Pages of one list; more means that the server never ends it. */
const PAGES_MAX = 10_000;

/** What a reflector feeds. */
export interface ReflectorSink<T extends KubeObject> {
  /** Everything there is, at one version. */
  replace(objects: T[]): void;
  upsert(object: T): void;
  remove(object: T): void;
}

export interface ReflectorOptions {
  readonly selection: Pick<ListOptions, "namespace" | "labelSelector" | "fieldSelector" | "metadataOnly">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pageSize?: number | undefined;
  readonly stallMs?: number | undefined;
  readonly random?: (() => number) | undefined;
}

/**
 * Keeps a sink equal to the server's collection: a paged list, then a watch that resumes where it was cut, then, when
 * the server no longer knows that version (410), a list again. Runs until `signal` aborts; retries with jittered waits.
 */
export class Reflector<T extends KubeObject> {
  readonly #kube: KubeClient;
  readonly #type: ResourceType<T>;
  readonly #sink: ReflectorSink<T>;
  readonly #options: ReflectorOptions;
  readonly #backoff: Backoff;
  #resourceVersion: string | undefined;
  #heardAt = 0;

  constructor(kube: KubeClient, type: ResourceType<T>, sink: ReflectorSink<T>, options: ReflectorOptions) {
    this.#kube = kube;
    this.#type = type;
    this.#sink = sink;
    this.#options = options;
    this.#backoff = new Backoff({
      initialMs: RETRY_INITIAL_MS,
      maxMs: RETRY_MAX_MS,
      jitter: 0.5,
      ...(options.random === undefined ? {} : { random: options.random }),
    });
  }

  /** Resolves when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (expired(error)) {
          this.#resourceVersion = undefined;
          if (this.#backoff.failures === 0) {
            this.#backoff.next(); // the first time at once; a server that always answers 410 must not be hammered
            continue;
          }
        }
        const waitMs = this.#backoff.next();
        const level = this.#backoff.failures > 3 ? "warn" : "debug";
        logger[level]({ resource: this.#type.resource, error: toError(error), waitMs }, "watch broken, trying again");
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { selection, pageSize: limit = PAGE_SIZE } = this.#options;
    const objects: T[] = [];
    let next: string | undefined;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const list = await this.#kube.list(this.#type, { ...selection, limit, continue: next }, signal);
      for (const item of list.items) objects.push(item);
      next = list.metadata.continue;
      if (next !== undefined && next !== "") continue;
      this.#sink.replace(objects);
      this.#resourceVersion = list.metadata.resourceVersion;
      return;
    }
    throw new Error(`the list of ${this.#type.resource} did not end after ${PAGES_MAX} pages`);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { selection, random = Math.random } = this.#options;
    // Spread, so that the watches of many clients do not all end at once.
    const timeoutSeconds = Math.round(WATCH_SECONDS + random() * WATCH_SECONDS_SPREAD);
    signal.throwIfAborted(); // an aborted signal tells no later listener
    const life = new AbortController();
    const cut = () => life.abort(signal.reason);
    signal.addEventListener("abort", cut, { once: true });
    try {
      const options = {
        ...selection,
        resourceVersion: this.#resourceVersion,
        allowWatchBookmarks: true,
        timeoutSeconds,
      };
      const startedAt = this.#options.clock.monotonic();
      this.#heardAt = startedAt;
      let events = 0;
      void this.#cutWhenSilent(life);
      for await (const event of this.#kube.watch(this.#type, options, life.signal)) {
        this.#heardAt = this.#options.clock.monotonic();
        events += 1;
        this.#apply(event);
        this.#backoff.reset();
      }
      if (events === 0 && this.#options.clock.monotonic() - startedAt < WATCH_MS_MIN)
        throw new Error(`the watch of ${this.#type.resource} ended at once`);
      this.#backoff.reset();
    } finally {
      signal.removeEventListener("abort", cut);
      life.abort();
    }
  }

  async #cutWhenSilent(life: AbortController): Promise<void> {
    const { clock, stallMs = STALL_MS } = this.#options;
    try {
      for (;;) {
        const quietMs = clock.monotonic() - this.#heardAt;
        if (quietMs >= stallMs) break;
        await clock.sleep(stallMs - quietMs, life.signal);
      }
      life.abort(new Error(`the watch of ${this.#type.resource} was silent for ${stallMs} ms`));
    } catch {
      // the watch ended by itself
    }
  }

  #apply(event: WatchChange<T>): void {
    if (event.type === "DELETED") this.#sink.remove(event.object);
    else if (event.type !== "BOOKMARK") this.#sink.upsert(event.object);
    this.#resourceVersion = event.object.metadata?.resourceVersion ?? this.#resourceVersion;
  }
}

function expired(error: unknown): boolean {
  return error instanceof KubeApiError && (error.details.httpStatus === 410 || error.code === "Expired");
}
