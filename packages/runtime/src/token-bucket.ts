import type { Clock } from "./clock.ts";

/** So many at once, then so many a second. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #atMs: number;

  /** @param perSecond 0 or less: no limit. */
  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, burst);
    this.#clock = clock;
    this.#tokens = this.#burst;
    this.#atMs = clock.monotonic();
  }

  /** Takes a token, waiting for it if need be. One caller at a time. @throws the signal's reason */
  async wait(signal: AbortSignal): Promise<void> {
    for (let waitMs = this.take(); waitMs > 0; waitMs = this.take()) await this.#clock.sleep(waitMs, signal);
  }

  /** Takes a token. @returns 0, or in how many ms there will be one; none is taken then. */
  take(): number {
    if (this.#perSecond <= 0) return 0;
    const nowMs = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000);
    this.#tokens -= 1;
    return 0;
  }
}
