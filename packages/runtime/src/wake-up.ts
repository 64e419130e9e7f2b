import type { Clock } from "./clock.ts";
import { abortable } from "./promises.ts";

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
    signal.throwIfAborted();
    if (!this.#pending) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resolve = resolve;
      try {
        await abortable(promise, signal);
      } finally {
        this.#resolve = undefined;
      }
    }
    this.#pending = false;
  }

  /** As {@link wait}, but for at most `ms`. */
  async waitOr(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const slept = clock.sleep(ms, both).then(
      () => over.abort(),
      () => undefined,
    );
    try {
      await this.wait(both);
    } catch (error) {
      if (signal.aborted || !over.signal.aborted) throw error;
    } finally {
      over.abort();
      await slept;
    }
  }
}
