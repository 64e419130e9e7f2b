/** Pieces of work done at once, for all nodes together. */
export const CONCURRENCY_MAX = 128;

/** Does what it is given when there is room. */
export type Limited = <T>(work: () => Promise<T>) => Promise<T>;

/** Does work of one lane in order and of different lanes at once. Waiting work is bounded by whoever hands it over. */
export class OrderedWork {
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param work must not reject. It keeps its place in the lane until it resolves, and room only within `limited`. */
  run(lane: string, work: (limited: Limited) => Promise<void>): Promise<void> {
    const before = this.#lanes.get(lane);
    const done = before === undefined ? work(this.#limited) : before.then(() => work(this.#limited));
    this.#lanes.set(lane, done);
    void done.then(() => {
      if (this.#lanes.get(lane) === done) this.#lanes.delete(lane);
    });
    return done;
  }

  readonly #limited: Limited = async (work) => {
    if (this.#running >= CONCURRENCY_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next(); // takes over our place
    }
  };
}
