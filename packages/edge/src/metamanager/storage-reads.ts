import type { KubeObject, ObjectKey } from "@kedge/kube";
import { type QueriedType, queryObject, readQueriedObject } from "@kedge/protocol";
import { hasCode } from "@kedge/runtime";
import { requireObject } from "./answered-object.ts";
import type { CloudRequests } from "./cloud-requests.ts";
import type { MetaStore } from "./meta-store.ts";

/** What a node asks for when it needs it: of the cluster's storage, and how a runtime is called. */
export type StorageType = Extract<
  QueriedType,
  "persistentvolume" | "persistentvolumeclaim" | "volumeattachment" | "csidriver" | "runtimeclass"
>;

/**
 * Reads of volumes and claims: the cloud's word first, since a claim that is bound, or an attachment that is made, is told
 * to nobody who does not ask; the last word of the cloud where it is away.
 */
export class StorageReads {
  readonly #store: MetaStore;
  readonly #cloud: CloudRequests;
  /** One question per object at a time, however many pods mount it. */
  readonly #asking = new Map<string, Promise<KubeObject | undefined>>();

  constructor(store: MetaStore, cloud: CloudRequests) {
    this.#store = store;
    this.#cloud = cloud;
  }

  /**
   * @returns `undefined` if the API server says that there is none.
   * @throws `NotConnected`, `Timeout` if nobody can tell; `NotSupported`, `KubeApiError`
   */
  async get(type: StorageType, key: ObjectKey, signal: AbortSignal): Promise<KubeObject | undefined> {
    const row = JSON.stringify([type, key.namespace, key.name]);
    const asked = this.#asking.get(row) ?? this.#ask(type, key, signal).finally(() => this.#asking.delete(row));
    this.#asking.set(row, asked);
    return asked;
  }

  async #ask(type: StorageType, key: ObjectKey, signal: AbortSignal): Promise<KubeObject | undefined> {
    const stored = storedKey(type, key);
    try {
      const reply = await this.#cloud.ask(queryObject(type, key), signal);
      const object = requireObject(readQueriedObject(reply.content), key);
      await this.#store.put(type, stored, object);
      await this.#cloud.acknowledge(reply, signal);
      return object;
    } catch (error) {
      if (hasCode(error, "NotFound")) {
        await this.#store.remove(type, stored, { uid: undefined, resourceVersion: undefined });
        return undefined;
      }
      const unanswered = hasCode(error, "NotConnected") || hasCode(error, "Timeout");
      const local = unanswered ? this.#store.get(type, stored) : undefined;
      if (local === undefined) throw error;
      return local;
    }
  }
}

/** Under the resource that it travels with, as a stock agent keeps it (W29). */
function storedKey(type: StorageType, key: ObjectKey): ObjectKey {
  return type === "volumeattachment" ? { namespace: "default", name: key.name } : key;
}
