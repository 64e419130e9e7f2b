import type { Clock } from "@kedge/runtime";

/** When too many come at once, nobody is told to stay away for longer. */
export const RETRY_AFTER_SECONDS_MAX = 120;

/** Lets so many sessions in a second, and tells the others when it is their turn. */
export class SessionRate {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** Sessions that may begin now. */
  #room: number;
  /** Refused ones that are still to come back. */
  #expected = 0;
  #atMs: number;

  /** @param burst sessions that may begin at once after a quiet time. */
  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#clock = clock;
    this.#room = burst;
    this.#atMs = clock.monotonic();
  }

  /**
   * Takes a place.
   *
   * @returns 0: there was one. Else whole seconds until there is one, counting those that were sent away before: they
   * come back spread over time, and not all at once.
   */
  take(): number {
    this.#pass();
    if (this.#room >= 1) {
      this.#room -= 1;
      return 0;
    }
    this.#expected = Math.min(this.#expected + 1, RETRY_AFTER_SECONDS_MAX * this.#perSecond);
    return Math.min(RETRY_AFTER_SECONDS_MAX, Math.ceil((this.#expected - this.#room) / this.#perSecond));
  }

  /** Whoever took a place did not come in after all. */
  giveBack(): void {
    this.#room = Math.min(this.#burst, this.#room + 1);
  }

  #pass(): void {
    const nowMs = this.#clock.monotonic();
    const gained = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#atMs = nowMs;
    this.#room = Math.min(this.#burst, this.#room + gained);
    this.#expected = Math.max(0, this.#expected - gained);
  }
}
