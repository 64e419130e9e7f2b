import { keyOf, type KubeObject, type ObjectKey, type ResourceType } from "@kedge/kube";
import { type Clock, deferred, type Logger, silentLogger, systemClock, toError } from "@kedge/runtime";
import type { KubeClient } from "../kube-client.ts";
import { type IndexFunction, IndexedStore } from "./indexed-store.ts";
import { Reflector } from "./reflector.ts";

export interface InformerOptions<T extends KubeObject> {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Keeps and asks for `metadata` alone. */
  readonly metadataOnly?: boolean | undefined;
  /** What of an object is kept; may change it in place. Default: all but `metadata.managedFields`. */
  readonly transform?: ((object: T) => T) | undefined;
  /** Name → the values under which {@link Informer.byIndex} finds an object. */
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>> | undefined;
  readonly pageSize?: number | undefined;
  readonly stallMs?: number | undefined;
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * `(undefined, new)` created, `(old, new)` changed, `(old, undefined)` gone. An object deleted and created anew between
 * two looks is told as gone, then created. Takes note and returns: it runs while the cache is being written. What is
 * handed over is the cache's own: never change it.
 */
export type ChangeHandler<T> = (old: T | undefined, object: T | undefined) => void;

/** A copy of a collection of the API, kept up to date. Runs from its creation until it is disposed. */
export class Informer<T extends KubeObject> implements AsyncDisposable {
  /** Resolves when the first list is in. Rejects if the informer is disposed before. */
  readonly synced: Promise<void>;
  readonly type: ResourceType<T>;
  readonly #life = new AbortController();
  readonly #store: IndexedStore<T>;
  readonly #handlers = new Set<ChangeHandler<T>>();
  readonly #transform: (object: T) => T;
  readonly #logger: Logger;
  readonly #ended: Promise<void>;
  #hasSynced = false;

  constructor(kube: KubeClient, type: ResourceType<T>, options: InformerOptions<T> = {}) {
    const { namespace, labelSelector, fieldSelector, metadataOnly, pageSize, stallMs } = options;
    const { logger = silentLogger, clock = systemClock, transform = dropManagedFields, indexes = {} } = options;
    this.type = type;
    this.#store = new IndexedStore<T>(indexes);
    this.#transform = transform;
    this.#logger = logger;
    const synced = deferred();
    this.synced = synced.promise;
    this.synced.catch(() => undefined); // whoever does not wait for it must not be hurt
    const sink = {
      replace: (objects: T[]) => {
        this.#replace(objects);
        this.#hasSynced = true;
        synced.resolve();
      },
      upsert: (object: T) => this.#upsert(object),
      remove: (object: T) => this.#remove(keyOf(object)),
    };
    const selection = { namespace, labelSelector, fieldSelector, metadataOnly };
    const reflector = new Reflector(kube, type, sink, { selection, clock, logger, pageSize, stallMs });
    this.#ended = reflector.run(this.#life.signal).finally(() => {
      synced.reject(new DOMException(`the informer of ${type.resource} was stopped`, "AbortError"));
    });
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get size(): number {
    return this.#store.size;
  }

  /** @param key as {@link keyOf} makes it, or its parts. The cache's own object: never change it. */
  get(key: string | ObjectKey): T | undefined {
    return this.#store.get(typeof key === "string" ? key : keyOf({ metadata: { ...key } as { name: string } }));
  }

  /** All, or those of one namespace. */
  list(namespace?: string): T[] {
    const all = this.#store.values();
    return namespace === undefined ? all : all.filter((object) => object.metadata?.namespace === namespace);
  }

  /** @throws RangeError for an index that was not named on creation. */
  byIndex(index: string, value: string): T[] {
    return this.#store.byIndex(index, value);
  }

  /** Calls `handler` for what is there already, then for each change until the returned handle is disposed. */
  onChange(handler: ChangeHandler<T>): Disposable {
    this.#handlers.add(handler);
    for (const object of this.#store.values()) this.#tell(handler, undefined, object);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  #replace(objects: T[]): void {
    const gone = new Set(this.#store.keys());
    for (const object of objects) {
      gone.delete(keyOf(object));
      this.#upsert(object);
    }
    for (const key of gone) this.#remove(key);
  }

  #upsert(received: T): void {
    const object = this.#transform(received);
    const old = this.#store.get(keyOf(object));
    if (old?.metadata?.uid !== object.metadata?.uid) {
      if (old !== undefined) this.#remove(keyOf(object));
      this.#store.set(object);
      this.#tellAll(undefined, object);
      return;
    }
    const { resourceVersion } = object.metadata ?? {};
    if (resourceVersion !== undefined && old?.metadata?.resourceVersion === resourceVersion) return; // listed again
    this.#store.set(object);
    this.#tellAll(old, object);
  }

  #remove(key: string): void {
    const old = this.#store.delete(key);
    if (old !== undefined) this.#tellAll(old, undefined);
  }

  #tellAll(old: T | undefined, object: T | undefined): void {
    for (const handler of this.#handlers) this.#tell(handler, old, object);
  }

  #tell(handler: ChangeHandler<T>, old: T | undefined, object: T | undefined): void {
    try {
      handler(old, object);
    } catch (error) {
      // A handler's fault must not tear the cache away from the others.
      this.#logger.error({ resource: this.type.resource, error: toError(error) }, "change handler failed");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new DOMException(`the informer of ${this.type.resource} was stopped`, "AbortError"));
    this.#handlers.clear();
    await this.#ended;
  }
}

/** Often half of an object, and of use to nobody here. */
function dropManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata?.managedFields !== undefined) delete object.metadata.managedFields;
  return object;
}
