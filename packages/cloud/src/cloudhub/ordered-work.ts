/** Pieces of work done at once, for all nodes together. */
export const CONCURRENCY_MAX = 128;
/** Of them, for one node: the API server's patience is for all, and one that says much must not use it up. */
export const CONCURRENCY_OF_NODE_MAX = 16;

/** Does what it is given when there is room. */
export type Limited = <T>(work: () => Promise<T>) => Promise<T>;

/** Does work of one lane in order and of different lanes at once. Waiting work is bounded by whoever hands it over. */
export class OrderedWork {
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #all = new Room(CONCURRENCY_MAX);
  readonly #nodes = new Map<string, Room>();

  /** @param work must not reject. It keeps its place in the lane until it resolves, and room only within `limited`. */
  run(node: string, lane: string, work: (limited: Limited) => Promise<void>): Promise<void> {
    const limited: Limited = (limitedWork) => this.#limited(node, limitedWork);
    const before = this.#lanes.get(lane);
    const done = before === undefined ? work(limited) : before.then(() => work(limited));
    this.#lanes.set(lane, done);
    void done.then(() => {
      if (this.#lanes.get(lane) === done) this.#lanes.delete(lane);
    });
    return done;
  }

  async #limited<T>(node: string, work: () => Promise<T>): Promise<T> {
    const ofNode = this.#nodes.get(node) ?? new Room(CONCURRENCY_OF_NODE_MAX);
    this.#nodes.set(node, ofNode);
    try {
      return await ofNode.do(() => this.#all.do(work));
    } finally {
      if (ofNode.isEmpty) this.#nodes.delete(node);
    }
  }
}

/** Where so many may be at once; the others wait, first come first served. */
class Room {
  readonly #places: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  get isEmpty(): boolean {
    return this.#taken === 0;
  }

  async do<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.#places) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taken += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken -= 1;
      else next(); // takes over our place
    }
  }
}
