import { type Event, EVENTS, type Pod, PODS } from "@kedge/kube";
import { Informer } from "@kedge/kube-client";
import { digestPod, type PodDigest } from "./pod-digest.ts";
import type { PodTarget } from "./pod-target.ts";

export interface RecordedPod {
  /** As the API server has it; `undefined`: it has it no more. */
  object: Pod | undefined;
  /** Every state that it was in, oldest first. */
  readonly digests: PodDigest[];
}

/** Watches a node's pods and all events, and remembers every state of each. */
export class PodRecorder implements AsyncDisposable {
  readonly #pods: Informer<Pod>;
  readonly #events: Informer<Event>;
  /** By uid. */
  readonly #recorded = new Map<string, RecordedPod>();
  readonly #eventsOf = new Map<string, Map<string, Event>>();
  readonly #waiting = new Set<() => void>();

  constructor({ kube, nodeName }: PodTarget) {
    this.#pods = new Informer(kube, PODS, { fieldSelector: `spec.nodeName=${nodeName}` });
    this.#events = new Informer(kube, EVENTS);
    this.#pods.onChange((old, pod) => {
      const uid = (pod ?? old)?.metadata?.uid ?? "";
      const recorded = this.of(uid);
      recorded.object = pod;
      if (pod !== undefined) recorded.digests.push(digestPod(pod));
      this.#tell();
    });
    this.#events.onChange((_, event) => {
      if (event === undefined) return;
      const { involvedObject, metadata } = event;
      const uid = involvedObject.uid ?? "";
      const known = this.#eventsOf.get(uid) ?? new Map<string, Event>();
      known.set(metadata.name ?? "", event);
      this.#eventsOf.set(uid, known);
      this.#tell();
    });
  }

  of(uid: string): RecordedPod {
    let recorded = this.#recorded.get(uid);
    if (recorded === undefined) this.#recorded.set(uid, (recorded = { object: undefined, digests: [] }));
    return recorded;
  }

  /** In the order in which they happened first. */
  eventsOf(uid: string): Event[] {
    return [...(this.#eventsOf.get(uid)?.values() ?? [])];
  }

  /** Uids of the node's pods that the API has. */
  present(): Pod[] {
    return this.#pods.list();
  }

  /** Resolves with what `look` returns, unless undefined; it is asked at each change. @throws what `late` tells, once `signal` aborts. */
  async until<T>(look: () => T | undefined, late: () => string, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = () => {
      const found = look();
      if (found !== undefined) resolve(found);
    };
    const fail = () => reject(new Error(late()));
    this.#waiting.add(check);
    signal.addEventListener("abort", fail, { once: true });
    try {
      check();
      if (signal.aborted) fail();
      return await promise;
    } finally {
      this.#waiting.delete(check);
      signal.removeEventListener("abort", fail);
    }
  }

  #tell(): void {
    for (const check of this.#waiting) check();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pods[Symbol.asyncDispose]();
    await this.#events[Symbol.asyncDispose]();
  }
}
