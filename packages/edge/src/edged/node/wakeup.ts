import type { Clock } from "@kedge/runtime";

/** Lets a loop sleep until its time has come or somebody wakes it; a wake while it is awake ends its next sleep at once. */
export class Wakeup {
  readonly #clock: Clock;
  #woken = false;
  #sleeping: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#woken = true;
    this.#sleeping?.abort();
  }

  /** @param ms how long at most. @throws the signal's reason. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#woken) {
      const sleeping = new AbortController();
      this.#sleeping = sleeping;
      try {
        await this.#clock.sleep(ms, AbortSignal.any([signal, sleeping.signal]));
      } catch (error) {
        if (!sleeping.signal.aborted || signal.aborted) throw error;
      } finally {
        this.#sleeping = undefined;
      }
    }
    this.#woken = false;
  }
}
