import { LEASES } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import type { Clock } from "@kedge/runtime";

const NODE_LEASES = "kube-node-lease";
/**
 * A lease that was written this short ago is as good as new: nodes ask every 10 s, Kubernetes waits 40 s. So a lease is
 * written every 20 s, which halves what thousands of nodes cost the API server.
 */
const FRESH_MS = 15_000;
/** Leases written at once. */
const WRITES_MAX = 32;

/** Renews the leases of nodes that ask in five bytes; the time is ours. */
export class LeaseRenewals {
  readonly #kube: KubeClient;
  readonly #clock: Clock;
  /** When each connected node's lease was written last. */
  readonly #writtenAt = new Map<string, number>();
  readonly #writing = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(kube: KubeClient, clock: Clock) {
    this.#kube = kube;
    this.#clock = clock;
  }

  /** @throws KubeApiError `NotFound`: the node must create its lease first; whatever the API server says. */
  renew(node: string, signal: AbortSignal): Promise<void> {
    const writing = this.#writing.get(node);
    if (writing !== undefined) return writing.catch((error: unknown) => this.#renewAfter(error, node, signal));
    if (this.#clock.monotonic() - (this.#writtenAt.get(node) ?? -Infinity) < FRESH_MS) return Promise.resolve();
    const isCurrent = () => this.#writing.get(node) === written;
    const written: Promise<void> = this.#write(node, signal)
      .then(() => void (isCurrent() && this.#writtenAt.set(node, this.#clock.monotonic())))
      .finally(() => isCurrent() && this.#writing.delete(node));
    this.#writing.set(node, written);
    return written;
  }

  /** What another session waited for has failed: if only because that session is over, it says nothing about ours. */
  #renewAfter(error: unknown, node: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (error instanceof Error && error.name === "AbortError") return this.renew(node, signal);
    throw error;
  }

  /** The node's session is over: whoever has it next may be another cloudcore. */
  forget(node: string): void {
    this.#writtenAt.delete(node);
    this.#writing.delete(node); // what is under way says nothing any more
  }

  async #write(node: string, signal: AbortSignal): Promise<void> {
    if (this.#running >= WRITES_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      const renewTime = microTime(this.#clock.now());
      const patch = { type: "merge", body: { spec: { renewTime } } } as const;
      await this.#kube.patch(LEASES, { namespace: NODE_LEASES, name: node }, patch, signal);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next(); // takes over our place
    }
  }
}

/** Kubernetes' MicroTime. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
