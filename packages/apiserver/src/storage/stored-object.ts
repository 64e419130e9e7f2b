import type { KubeObject } from "@kedge/kube";

/** One state of one object as the log holds it. Parsed on first use, and shared: whoever changes it takes a {@link copy}. */
export class StoredObject {
  readonly key: string;
  /** The revision that wrote this state; equals `metadata.resourceVersion`. */
  readonly revision: number;
  /** Begins with `apiVersion` and `kind`, in this order. */
  readonly json: string;
  #object: KubeObject | undefined;

  constructor(key: string, revision: number, json: string, object?: KubeObject) {
    this.key = key;
    this.revision = revision;
    this.json = json;
    this.#object = object;
  }

  get object(): Readonly<KubeObject> {
    return (this.#object ??= this.copy());
  }

  copy(): KubeObject {
    return JSON.parse(this.json) as KubeObject;
  }
}

/** One entry of the log. */
export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** The new state; of a deletion the last one, with the deletion's revision. */
  readonly stored: StoredObject;
  /** The state before; absent for `ADDED`. */
  readonly previous: StoredObject | undefined;
}
