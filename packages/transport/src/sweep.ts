/** Something that is looked at from time to time. */
export interface Swept {
  sweep(): void;
}

/** One timer that looks at many things: a timer for each of 15,000 links would cost memory, and wake the process up. */
export class Sweep {
  readonly everyMs: number;
  readonly #items = new Set<Swept>();
  #timer: NodeJS.Timeout | undefined;

  constructor(everyMs: number) {
    this.everyMs = everyMs;
  }

  add(item: Swept): void {
    this.#items.add(item);
    this.#timer ??= setInterval(() => this.sweepAll(), this.everyMs);
  }

  delete(item: Swept): void {
    this.#items.delete(item);
    if (this.#items.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Looks at all now. */
  sweepAll(): void {
    for (const item of this.#items) item.sweep();
  }
}
