import type { ConfigMap, Secret } from "@kedge/kube";
import { CodedError, toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";

/** A ConfigMap or Secret that a pod needs: `ObjectNotFound` it does not exist; `ObjectUnknown` nobody can tell now. */
export class PodObjectError extends CodedError<{
  readonly code: "ObjectNotFound" | "ObjectUnknown";
  readonly kind: "configmap" | "secret";
  readonly name: string;
}> {
  override readonly retryable: boolean = true;
}

/** The ConfigMaps and Secrets of one pod's namespace, each asked for once. Make a new one for each round. */
export class PodObjects {
  readonly namespace: string;
  readonly #bus: EdgeBus;
  readonly #signal: AbortSignal;
  readonly #configMaps = new Map<string, Promise<ConfigMap | undefined>>();
  readonly #secrets = new Map<string, Promise<Secret | undefined>>();

  constructor(bus: EdgeBus, namespace: string, signal: AbortSignal) {
    this.#bus = bus;
    this.namespace = namespace;
    this.#signal = signal;
  }

  /** @returns undefined only when it is optional and known not to exist. @throws PodObjectError */
  async configMap(name: string, optional: boolean = false): Promise<ConfigMap | undefined> {
    const key = { namespace: this.namespace, name };
    let asked = this.#configMaps.get(name);
    if (asked === undefined)
      this.#configMaps.set(name, (asked = this.#bus.request("meta/getConfigMap", key, this.#signal)));
    return this.#checked("configmap", name, optional, asked);
  }

  /** As {@link configMap}. */
  async secret(name: string, optional: boolean = false): Promise<Secret | undefined> {
    const key = { namespace: this.namespace, name };
    let asked = this.#secrets.get(name);
    if (asked === undefined) this.#secrets.set(name, (asked = this.#bus.request("meta/getSecret", key, this.#signal)));
    return this.#checked("secret", name, optional, asked);
  }

  // What we could not learn is neither absent nor empty: a pod never starts on a guess.
  async #checked<T>(
    kind: "configmap" | "secret",
    name: string,
    optional: boolean,
    asked: Promise<T | undefined>,
  ): Promise<T | undefined> {
    let found: T | undefined;
    try {
      found = await asked;
    } catch (error) {
      this.#signal.throwIfAborted();
      const why = toError(error).message;
      const message = `${kind} "${name}" is not stored on this node and could not be fetched: ${why}`;
      throw new PodObjectError(message, { code: "ObjectUnknown", kind, name }, { cause: error });
    }
    if (found === undefined && !optional)
      throw new PodObjectError(`${kind} "${name}" not found`, { code: "ObjectNotFound", kind, name });
    return found;
  }
}

/** A Secret's value, as bytes. */
export function secretValue(secret: Secret, key: string): Buffer | undefined {
  const encoded = secret.data?.[key];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64");
}
