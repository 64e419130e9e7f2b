import { keyOf, type KubeObject, parseKey, type ResourceType } from "@kedge/kube";
import { type ChangeHandler, Informer, type KubeClient } from "@kedge/kube-client";
import { type Clock, hasCode, type Logger } from "@kedge/runtime";

/**
 * ConfigMaps, or Secrets. Of those that no pod at the edge needs only the name is kept, so that our memory does not grow
 * with the rest of the cluster; should one be needed later it is read again.
 */
export class ReferencedObjects<T extends KubeObject> implements AsyncDisposable {
  readonly #informer: Informer<T>;
  readonly #kube: KubeClient;
  readonly #stubs = new WeakSet<T>();
  readonly #reading = new Map<string, Promise<T | undefined>>();
  /** Read after the informer had kept their names only; replaced by whatever the informer brings next. */
  readonly #read = new Map<string, T>();

  constructor(
    kube: KubeClient,
    type: ResourceType<T>,
    isReferenced: (key: string) => boolean,
    deps: { readonly logger: Logger; readonly clock: Clock },
  ) {
    this.#kube = kube;
    this.#informer = new Informer<T>(kube, type, {
      ...deps,
      transform: (object) => {
        const key = keyOf(object);
        this.#read.delete(key);
        if (!isReferenced(key)) return this.#stub(object);
        if (object.metadata?.managedFields !== undefined) delete object.metadata.managedFields;
        object.kind ??= type.kind;
        object.apiVersion ??= type.version;
        return object;
      },
    });
  }

  get synced(): Promise<void> {
    return this.#informer.synced;
  }

  /** What is known without asking; `undefined` also if only its name is kept. */
  peek(key: string): T | undefined {
    const object = this.#informer.get(key);
    return object !== undefined && this.#stubs.has(object) ? this.#read.get(key) : object;
  }

  /** @returns `undefined` if the API server has no such object. Asks it if `live`, or if only the name is kept. */
  async get(key: string, live: boolean, signal: AbortSignal): Promise<T | undefined> {
    const known = this.peek(key);
    if (known !== undefined) return known;
    if (!live && this.#informer.get(key) === undefined) return undefined;
    let reading = this.#reading.get(key);
    if (reading === undefined) {
      reading = this.#readOne(key, signal).finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }

  async #readOne(key: string, signal: AbortSignal): Promise<T | undefined> {
    try {
      const object = await this.#kube.get(this.#informer.type, parseKey(key), signal);
      if (object.metadata?.managedFields !== undefined) delete object.metadata.managedFields;
      const kept = this.#informer.get(key);
      if (kept !== undefined && kept.metadata?.resourceVersion === object.metadata?.resourceVersion)
        this.#read.set(key, object);
      return object;
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }

  /** Tells of objects that are needed. `old` may be one of which only the name was kept. */
  onChange(handler: ChangeHandler<T>): Disposable {
    return this.#informer.onChange((old, object) => {
      if (object === undefined) this.#read.delete(keyOf(old ?? {}));
      if (object === undefined || !this.#stubs.has(object)) handler(old, object);
    });
  }

  #stub(object: T): T {
    const { name, namespace, uid, resourceVersion } = object.metadata ?? {};
    const stub = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      metadata: { name, namespace, uid, resourceVersion },
    } as unknown as T;
    this.#stubs.add(stub);
    return stub;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#informer[Symbol.asyncDispose]();
  }
}
