/** Whether a numbered message is work to do, is being done, or was done before. */
export type Receipt = "new" | "underway" | "done";

/**
 * What is known of one stream of numbered messages: which of them are done. Numbers grow, and some never come. A link keeps
 * the order, so that what did not come before a larger number never will, unless the node connects anew and starts again
 * after what we said is done.
 */
export class Inbox {
  readonly stream: string;
  /** Received and not done, in order of their numbers, with who works on it; `undefined`: nobody, it was given up. */
  readonly #open = new Map<number, object | undefined>();
  #highest: number;

  /** @param applied all up to it is done already. */
  constructor(stream: string, applied = 0) {
    this.stream = stream;
    this.#highest = applied;
  }

  /** The largest number that has come. */
  get highest(): number {
    return this.#highest;
  }

  /** The watermark: all up to it is done, 0 if nothing is. */
  get applied(): number {
    const [first] = this.#open.keys();
    return first === undefined ? this.#highest : first - 1;
  }

  /** Messages that are not done. */
  get openCount(): number {
    return this.#open.size;
  }

  /** @param work tells who works on it from who did before, should it come again. */
  receive(number: number, work: object): Receipt {
    this.#forgetGivenUpBefore(number);
    if (number > this.#highest) this.#highest = number;
    else if (!this.#open.has(number)) return "done";
    else if (this.#open.get(number) !== undefined) return "underway";
    this.#open.set(number, work); // one that was given up keeps its place
    return "new";
  }

  /** @returns whether it counts; not if it was given up since. */
  done(number: number, work: object): boolean {
    return this.#open.get(number) === work && this.#open.delete(number);
  }

  /** The session is over: what is not done by now comes again with the next. */
  giveUp(): void {
    for (const number of this.#open.keys()) this.#open.set(number, undefined);
  }

  /** What the node skips now it has dropped itself. */
  #forgetGivenUpBefore(number: number): void {
    for (const [open, work] of this.#open) {
      if (open >= number) return;
      if (work === undefined) this.#open.delete(open);
    }
  }
}
