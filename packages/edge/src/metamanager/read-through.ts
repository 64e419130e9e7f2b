import type { KubeObject, ObjectKey } from "@kedge/kube";
import { formatResource, type QueriedType, queryObject, readQueriedObject } from "@kedge/protocol";
import { hasCode } from "@kedge/runtime";
import { requireObject } from "./answered-object.ts";
import type { CloudRequests } from "./cloud-requests.ts";
import type { MetaStore } from "./meta-store.ts";

/** Reads of ConfigMaps and Secrets: the local copy first, else the cloud's, which is then kept. */
export class ReadThrough {
  readonly #store: MetaStore;
  readonly #cloud: CloudRequests;
  /** One question per object at a time, however many pods mount it. */
  readonly #asking = new Map<string, Promise<KubeObject | undefined>>();

  constructor(store: MetaStore, cloud: CloudRequests) {
    this.#store = store;
    this.#cloud = cloud;
  }

  /**
   * @returns `undefined` if the API server says that there is none; nothing of that is stored.
   * @throws `NotConnected`, `Timeout`, `KubeApiError`
   */
  async get(type: QueriedType, key: ObjectKey, signal: AbortSignal): Promise<KubeObject | undefined> {
    const local = this.#store.get(type, key);
    if (local !== undefined) return local;
    const resource = formatResource(type, key);
    const asked =
      this.#asking.get(resource) ?? this.#ask(type, key, signal).finally(() => this.#asking.delete(resource));
    this.#asking.set(resource, asked);
    return asked;
  }

  async #ask(type: QueriedType, key: ObjectKey, signal: AbortSignal): Promise<KubeObject | undefined> {
    const reply = await this.#cloud.ask(queryObject(type, key), signal);
    try {
      const object = requireObject(readQueriedObject(reply.content), key);
      await this.#store.put(type, key, object);
      await this.#cloud.acknowledge(reply, signal);
      return this.#store.get(type, key) ?? object; // a push may have brought a later one meanwhile
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }
}
