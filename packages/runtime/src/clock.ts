import { setTimeout as delay } from "node:timers/promises";

/** A timer of Node's for longer, some 25 days, is over at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

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
      for (let leftMs = ms; ; leftMs -= TIMER_MS_MAX) {
        await delay(Math.min(leftMs, TIMER_MS_MAX), undefined, { signal });
        if (leftMs <= TIMER_MS_MAX) return;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};
