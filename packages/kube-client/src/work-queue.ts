import { Backoff, type Clock, systemClock } from "@kedge/runtime";
import { DelayedKeys } from "./delayed-keys.ts";

const RETRY_INITIAL_MS = 5;
const RETRY_MAX_MS = 5 * 60_000;

export interface WorkQueueOptions {
  readonly clock?: Clock | undefined;
  /** Wait before the first retry of a key. */
  readonly retryInitialMs?: number | undefined;
  readonly retryMaxMs?: number | undefined;
}

/**
 * Keys that need work, each at most once: a key added while it waits changes nothing, one added while it is worked on
 * comes again afterwards, so that no two workers ever hold the same key. Holds no more than one entry an object: it is
 * as bounded as what it is fed from.
 *
 * @typeParam K a text or number: keys are equal by value.
 */
export class WorkQueue<K extends string | number> {
  readonly #clock: Clock;
  readonly #retryInitialMs: number;
  readonly #retryMaxMs: number;
  readonly #ready = new Set<K>(); // in order of insertion
  readonly #working = new Set<K>();
  readonly #again = new Set<K>();
  readonly #failures = new Map<K, Backoff>();
  readonly #delayed = new DelayedKeys<K>();
  #takers: (() => void)[] = [];
  #timer: AbortController | undefined;
  #timerDue = Infinity;

  constructor(options: WorkQueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#retryInitialMs = options.retryInitialMs ?? RETRY_INITIAL_MS;
    this.#retryMaxMs = options.retryMaxMs ?? RETRY_MAX_MS;
  }

  /** How many keys could be taken now. */
  get length(): number {
    return this.#ready.size;
  }

  add(key: K): void {
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#ready.add(key);
    this.#takers.shift()?.();
  }

  /** Adds `key` in `ms`, or earlier where it was to come earlier. */
  addAfter(key: K, ms: number): void {
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const due = this.#clock.monotonic() + ms;
    if (this.#delayed.add(key, due) && due < this.#timerDue) this.#arm(due);
  }

  /** Adds `key` after a wait that grows with each call until {@link forget}. */
  addRateLimited(key: K): void {
    let backoff = this.#failures.get(key);
    if (backoff === undefined) {
      backoff = new Backoff({ initialMs: this.#retryInitialMs, maxMs: this.#retryMaxMs });
      this.#failures.set(key, backoff);
    }
    this.addAfter(key, backoff.next());
  }

  /** How often this key failed since it was last forgotten. */
  failuresOf(key: K): number {
    return this.#failures.get(key)?.failures ?? 0;
  }

  /** The key did well: its next failure is its first. */
  forget(key: K): void {
    this.#failures.delete(key);
  }

  /** To be called when the work on a taken key has ended, whichever way. */
  done(key: K): void {
    this.#working.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  /** Yields keys until `signal` aborts, then ends. Several may take at once. Each key yielded must be {@link done}. */
  async *take(signal: AbortSignal): AsyncGenerator<K> {
    while (!signal.aborted) {
      const [key] = this.#ready;
      if (key === undefined) {
        await this.#added(signal);
        continue;
      }
      this.#ready.delete(key);
      this.#working.add(key);
      yield key;
    }
  }

  #added(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        this.#takers = this.#takers.filter((taker) => taker !== wake);
        resolve();
      };
      this.#takers.push(wake);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** One timer for all delayed keys. */
  #arm(due: number): void {
    this.#timer?.abort();
    const timer = new AbortController();
    this.#timer = timer;
    this.#timerDue = due;
    this.#clock.sleep(Math.max(0, due - this.#clock.monotonic()), timer.signal).then(
      () => this.#release(),
      () => undefined, // disarmed
    );
  }

  #release(): void {
    for (const key of this.#delayed.takeDue(this.#clock.monotonic())) this.add(key);
    this.#timerDue = Infinity;
    this.#timer = undefined;
    const next = this.#delayed.nextDue();
    if (next !== undefined) this.#arm(next);
  }

  /** Stops the timer and drops all keys; takers end by their signal. */
  [Symbol.dispose](): void {
    this.#timer?.abort();
    this.#timer = undefined;
    this.#timerDue = Infinity;
    this.#delayed.clear();
    this.#ready.clear();
    this.#again.clear();
  }
}
