import type { TestContext } from "node:test";

/** What a hostile peer decides by. Comes again with the same seed: `KEDGE_SEED=…`, which the test prints, plays a failure again. */
export class Hostility {
  #state: number;

  constructor(t: TestContext) {
    const seed = Number(process.env["KEDGE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    t.diagnostic(`KEDGE_SEED=${seed}`);
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  /** Each one to three times, in any order. */
  distort<T>(items: readonly T[]): T[] {
    const copies = items.flatMap((item) => Array.from({ length: 1 + this.below(3) }, () => item));
    return copies
      .map((item) => ({ item, place: this.below(2 ** 31) }))
      .toSorted((left, right) => left.place - right.place)
      .map(({ item }) => item);
  }
}
