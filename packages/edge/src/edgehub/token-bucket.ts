import type { Clock } from "@kedge/runtime";

/** Lets `perSecond` through on average and `burst` at once. A rate of 0 lets everything through. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledMs: number;

  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, burst);
    this.#clock = clock;
    this.#tokens = this.#burst;
    this.#filledMs = clock.monotonic();
  }

  /** Takes one token, waiting for it if need be. One caller at a time. @throws the signal's reason */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#perSecond <= 0) return;
    for (this.#fill(); this.#tokens < 1; this.#fill())
      await this.#clock.sleep(Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000), signal);
    this.#tokens -= 1;
  }

  #fill(): void {
    const nowMs = this.#clock.monotonic();
    const gained = ((nowMs - this.#filledMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#filledMs = nowMs;
  }
}
