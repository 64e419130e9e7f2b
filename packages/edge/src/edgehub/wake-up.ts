import { abortable, type Clock } from "@kedge/runtime";

/** Lets one loop sleep until somebody has something for it. A wake-up while it is awake is kept; two are one. */
export class WakeUp {
  #pending = false;
  #resolve: (() => void) | undefined;

  wake(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  /** @throws the signal's reason if it aborts first. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#pending) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resolve = resolve;
      await abortable(promise, signal);
    }
    this.#pending = false;
  }

  /** As {@link wait}, but for at most `ms`. */
  async waitOr(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.race([this.wait(either), clock.sleep(ms, either)]);
    } finally {
      over.abort();
    }
  }
}
