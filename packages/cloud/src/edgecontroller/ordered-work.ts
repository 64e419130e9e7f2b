/** Pieces of work done at once, for all nodes together. */
export const CONCURRENCY_MAX = 128;

/** Does work of one lane in order and of different lanes at once. Waiting work is bounded by whoever hands it over. */
export class OrderedWork {
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param work must not reject. */
  run(lane: string, work: () => Promise<void>): Promise<void> {
    const before = this.#lanes.get(lane);
    const done = before === undefined ? this.#limited(work) : before.then(() => this.#limited(work));
    this.#lanes.set(lane, done);
    void done.then(() => {
      if (this.#lanes.get(lane) === done) this.#lanes.delete(lane);
    });
    return done;
  }

  async #limited(work: () => Promise<void>): Promise<void> {
    if (this.#running >= CONCURRENCY_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next(); // takes over our place
    }
  }
}
