import type { DeleteOptions, KubeList, KubeObject, ObjectKey, ResourceType, WatchEvent } from "@kedge/kube";

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
  /** Asks for `metadata` alone (PartialObjectMetadata); a server that does not know this answers with whole objects. */
  readonly metadataOnly?: boolean | undefined;
}

export interface WatchOptions extends Omit<ListOptions, "limit" | "continue"> {
  /** The server ends the stream after this long. */
  readonly timeoutSeconds?: number | undefined;
  readonly allowWatchBookmarks?: boolean | undefined;
}

export interface WriteOptions {
  readonly subresource?: string | undefined;
  readonly fieldManager?: string | undefined;
  readonly dryRun?: boolean | undefined;
  /** Of an `apply` patch: take fields over from other managers. */
  readonly force?: boolean | undefined;
}

export type PatchType = "json" | "merge" | "strategic" | "apply";

/** What {@link KubeClient.watch} yields: the stream's lines without its errors, which are thrown. */
export type WatchChange<T extends KubeObject> = Exclude<WatchEvent<T>, { type: "ERROR" }>;

/**
 * The Kubernetes API, whoever serves it. Every method rejects with {@link @kedge/kube!KubeApiError} when the server
 * refuses, with {@link KubeClientError} when it cannot be reached, and with the signal's reason when that aborts.
 */
export interface KubeClient extends AsyncDisposable {
  get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, signal: AbortSignal): Promise<T>;
  /** One page: see {@link ListOptions.limit}. Without a limit, everything. */
  list<T extends KubeObject>(type: ResourceType<T>, options: ListOptions, signal: AbortSignal): Promise<KubeList<T>>;
  create<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal: AbortSignal,
    options?: WriteOptions,
  ): Promise<T>;
  /** PUT; with `metadata.resourceVersion` set, a `Conflict` when the object has changed since. */
  update<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal: AbortSignal,
    options?: WriteOptions,
  ): Promise<T>;
  patch<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    patch: { readonly type: PatchType; readonly body: unknown },
    signal: AbortSignal,
    options?: WriteOptions,
  ): Promise<T>;
  delete(type: ResourceType, key: ObjectKey, signal: AbortSignal, options?: DeleteOptions): Promise<void>;
  /** Deletes all that the selectors match; without `namespace`, only for cluster-scoped resources. */
  deleteCollection(
    type: ResourceType,
    selection: Pick<ListOptions, "namespace" | "labelSelector" | "fieldSelector">,
    signal: AbortSignal,
    options?: DeleteOptions,
  ): Promise<void>;
  /** Creates a subresource's object, such as `pods/binding`, `pods/eviction`, `serviceaccounts/token`. */
  createSubresource<Q extends object, P>(
    type: ResourceType,
    key: ObjectKey,
    subresource: string,
    body: Q,
    signal: AbortSignal,
  ): Promise<P>;
  /** Ends when the server ends the stream. @throws KubeApiError, also for an `ERROR` event (410: list again). */
  watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncIterable<WatchChange<T>>;
  /** Any other path, such as `/version`; the body as text. Does not reject for an HTTP status. */
  raw(method: string, path: string, signal: AbortSignal, body?: unknown): Promise<{ status: number; body: string }>;
}
