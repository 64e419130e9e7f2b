import type { Clock } from "@kedge/runtime";

export interface RateLimit {
  /** Requests a second in the long run. */
  readonly qps: number;
  /** Requests at once after a rest. */
  readonly burst: number;
}

interface Waiter {
  readonly signal: AbortSignal;
  readonly turn: PromiseWithResolvers<void>;
  gone: boolean;
}

/** Those who wait with one signal; they share one listener, since adding one to thousands takes as many steps. */
interface SignalWaiters {
  readonly waiters: Set<Waiter>;
  readonly onAbort: () => void;
}

const NEVER = new AbortController().signal;

/** A token bucket: each request takes a token, or waits its turn for the next one. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #clock: Clock;
  readonly #bySignal = new Map<AbortSignal, SignalWaiters>();
  #queue: Waiter[] = [];
  /** Of the queue, how many at its head had their turn: shifting each would cost as many steps as wait. */
  #served = 0;
  #tokens: number;
  #countedAt: number;
  #pumping = false;

  constructor(limit: RateLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
    this.#tokens = limit.burst;
    this.#countedAt = clock.monotonic();
  }

  /** Resolves when it is our turn. @throws the signal's reason if it aborts first. */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#count();
    if (this.#queue.length === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      return;
    }
    const waiter: Waiter = { signal, turn: Promise.withResolvers<void>(), gone: false };
    this.#queue.push(waiter);
    this.#listen(waiter);
    if (!this.#pumping) void this.#pump();
    await waiter.turn.promise;
  }

  #count(): void {
    const now = this.#clock.monotonic();
    const { qps, burst } = this.#limit;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#countedAt) / 1000) * qps);
    this.#countedAt = now;
  }

  #listen(waiter: Waiter): void {
    const { signal } = waiter;
    let known = this.#bySignal.get(signal);
    if (known === undefined) {
      const waiters = new Set<Waiter>();
      const onAbort = () => {
        this.#bySignal.delete(signal);
        for (const each of waiters) {
          each.gone = true;
          each.turn.reject(signal.reason);
        }
      };
      known = { waiters, onAbort };
      this.#bySignal.set(signal, known);
      signal.addEventListener("abort", onAbort, { once: true });
    }
    known.waiters.add(waiter);
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    for (;;) {
      const waiter = this.#queue[this.#served];
      if (waiter === undefined) break;
      if (waiter.gone) {
        this.#served += 1;
        continue;
      }
      this.#count();
      if (this.#tokens < 1) {
        await this.#clock.sleep(Math.ceil(((1 - this.#tokens) / this.#limit.qps) * 1000), NEVER);
        continue;
      }
      this.#tokens -= 1;
      this.#served += 1;
      this.#serve(waiter);
    }
    this.#queue = [];
    this.#served = 0;
    this.#pumping = false;
  }

  #serve(waiter: Waiter): void {
    const { signal, turn } = waiter;
    const known = this.#bySignal.get(signal);
    known?.waiters.delete(waiter);
    if (known?.waiters.size === 0) {
      this.#bySignal.delete(signal);
      signal.removeEventListener("abort", known.onAbort);
    }
    turn.resolve();
  }
}
