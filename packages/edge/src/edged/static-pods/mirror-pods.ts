import { keyOf, type ObjectKey, type OwnerReference, type Pod } from "@kedge/kube";
import { Backoff, type Clock, hasCode, isAbort, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import type { NodeFacts } from "../edged-parts.ts";
import { planMirror } from "./plan-mirror.ts";
import { HASH_ANNOTATION, isMirrorPod, MIRROR_ANNOTATION, mirroredHash } from "./static-pod-annotations.ts";

export interface MirrorPodsDeps {
  readonly bus: EdgeBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: Pick<NodeFacts, "name" | "node">;
  /** Whether a pod with this uid still has something here. */
  readonly runs: (uid: string) => boolean;
  /** The API's copy of the static pod with this uid. */
  readonly onMirror: (staticUid: string, mirror: Pod) => void;
}

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/** Has the API show the node's static pods: a copy of each, made when it is missing, removed when it is of the past. */
export class MirrorPods {
  readonly #deps: MirrorPodsDeps;
  readonly #mirrors = new Map<string, Pod>();
  readonly #dirty = new Set<string>();
  /** What was told of last. */
  readonly #errors = new Map<string, string>();
  readonly #wake = new WakeUp();
  #wanted: ReadonlyMap<string, Pod> = new Map();

  constructor(deps: MirrorPodsDeps) {
    this.#deps = deps;
  }

  /** The copy of the static pod with this uid. */
  of(staticUid: string): Pod | undefined {
    for (const mirror of this.#mirrors.values()) if (mirroredHash(mirror) === staticUid) return mirror;
    return undefined;
  }

  /** The copy of the pod of this name, as far as we know. */
  get(key: string): Pod | undefined {
    return this.#mirrors.get(key);
  }

  /** The static pods there shall be, by key. */
  want(pods: ReadonlyMap<string, Pod>): void {
    this.#wanted = pods;
    for (const key of [...pods.keys(), ...this.#mirrors.keys()]) this.#dirty.add(key);
    this.#wake.wake();
  }

  /** What the store has under this name now. */
  observe(key: string, mirror: Pod | undefined): void {
    if (mirror === undefined) this.#mirrors.delete(key);
    else {
      this.#mirrors.set(key, mirror);
      this.#deps.onMirror(mirroredHash(mirror) ?? "", mirror);
    }
    this.reconsider(key);
  }

  /** The API server says that this copy is gone, whatever the store holds. */
  gone(staticUid: string): void {
    for (const [key, mirror] of this.#mirrors)
      if (mirroredHash(mirror) === staticUid) {
        this.#mirrors.delete(key);
        this.reconsider(key);
      }
  }

  /** Something changed that may decide on it. */
  reconsider(key: string): void {
    this.#dirty.add(key);
    this.#wake.wake();
  }

  /** The cloud is back, or knows the node. */
  retryNow(): void {
    this.#wake.wake();
  }

  /** Works until `signal` aborts, and rejects with its reason then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const backoff = new Backoff({ initialMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS, jitter: 0.2 });
    for (;;) {
      const keys = [...this.#dirty];
      this.#dirty.clear();
      const done = await Promise.all(keys.map((key) => this.#reconcile(key, signal)));
      keys.filter((_, index) => done[index] === false).forEach((key) => this.#dirty.add(key));
      if (this.#dirty.size === 0) {
        backoff.reset();
        await this.#wake.wait(signal);
      } else await this.#wake.waitOr(backoff.next(), clock, signal);
    }
  }

  /** @returns whether it is done with; if not, it is worth another try. */
  async #reconcile(key: string, signal: AbortSignal): Promise<boolean> {
    const wanted = this.#wanted.get(key);
    const mirror = this.#mirrors.get(key);
    try {
      switch (planMirror(wanted, mirror, this.#deps.runs)) {
        case "create":
          if (wanted !== undefined) return await this.#create(key, wanted, signal);
          break;
        case "delete":
          if (mirror !== undefined) await this.#delete(key, mirror, signal);
          break;
        case "none":
      }
      this.#errors.delete(key);
      return true;
    } catch (error) {
      if (isAbort(error, signal) || signal.aborted) throw error;
      const { message } = toError(error);
      const away = hasCode(error, "NotConnected") || hasCode(error, "Timeout");
      const isNews = !away && this.#errors.get(key) !== message;
      this.#errors.set(key, message);
      const log = isNews ? ("warn" as const) : ("debug" as const);
      this.#deps.logger[log]({ pod: key, error: toError(error) }, "the API does not show a static pod as it is yet");
      return false;
    }
  }

  async #create(key: string, pod: Pod, signal: AbortSignal): Promise<boolean> {
    const { bus, node } = this.#deps;
    const uid = node.node()?.metadata?.uid;
    if (uid === undefined) return false; // whose it would be
    const owner: OwnerReference = { apiVersion: "v1", kind: "Node", name: node.name, uid, controller: true };
    const { status: _status, ...rest } = pod;
    const { uid: _uid, annotations = {}, ...metadata } = pod.metadata ?? {};
    const mirror: Pod = {
      ...rest,
      metadata: {
        ...metadata,
        annotations: { ...annotations, [MIRROR_ANNOTATION]: annotations[HASH_ANNOTATION] ?? "" },
        ownerReferences: [owner],
      },
    };
    const created = await bus.request("meta/createPod", mirror, signal);
    if (isMirrorPod(created)) this.observe(key, created);
    return true;
  }

  /** What the store still has of it goes once the cloud says so. */
  async #delete(key: string, { metadata = {} }: Pod, signal: AbortSignal): Promise<void> {
    const { namespace, name = "", uid } = metadata;
    const options = { gracePeriodSeconds: 0, ...(uid !== undefined && { preconditions: { uid } }) };
    const object: ObjectKey = { namespace, name };
    await this.#deps.bus.request("meta/deletePod", { key: object, options }, signal);
    this.#deps.logger.info({ pod: key }, "the API's copy of a static pod is removed");
    if (this.#mirrors.get(key)?.metadata?.uid === uid) this.#mirrors.delete(key);
    this.reconsider(key);
  }
}

/** As {@link MirrorPods} names pods. */
export function mirrorKey({ namespace, name }: ObjectKey): string {
  return keyOf({ metadata: { namespace: namespace ?? "", name } });
}
