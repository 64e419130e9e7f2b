import type { Clock } from "@kedge/runtime";

export interface RateLimit {
  /** Requests a second in the long run. */
  readonly qps: number;
  /** Requests at once after a rest. */
  readonly burst: number;
}

/** A token bucket: each request takes a token, or waits its turn for the next one. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #clock: Clock;
  #tokens: number;
  #countedAt: number;

  constructor(limit: RateLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
    this.#tokens = limit.burst;
    this.#countedAt = clock.monotonic();
  }

  /** Resolves when it is our turn. @throws the signal's reason if it aborts first. */
  async take(signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    const { qps, burst } = this.#limit;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#countedAt) / 1000) * qps);
    this.#countedAt = now;
    this.#tokens -= 1; // may pass below zero: those in debt queue in order
    if (this.#tokens < 0) await this.#clock.sleep((-this.#tokens / qps) * 1000, signal);
  }
}
