import { setTimeout as delay } from "node:timers/promises";

/** Time as a dependency, so that tests own it. */
export interface Clock {
  /** Wall clock in ms since the epoch; may jump. For display and for certificates, never for order. */
  now(): number;
  /** Monotonic ms since an arbitrary start; for durations and deadlines. */
  monotonic(): number;
  /** Resolves after `ms`. @throws the signal's reason if it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};
