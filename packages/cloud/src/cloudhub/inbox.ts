/** Whether a numbered message is work to do, is being done, or was done before. */
export type Receipt = "new" | "underway" | "done";

/** Links of one stream whose names are remembered; what was sent over one that is forgotten comes again. */
const LINKS_REMEMBERED_MAX = 32;

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
  /** Of links: that which something came over last, and those opened since: they may have carried what never came. */
  #links: string[] = [];
  /** Nothing has come yet, over whichever link. */
  #isUntouched = true;

  /** @param applied all up to it is done already. */
  constructor(stream: string, applied = 0) {
    this.stream = stream;
    this.#highest = applied;
  }

  /** A link of this name, if it has one, is going to carry the stream. */
  open(link: string | undefined): void {
    if (link === undefined) return;
    this.#links.push(link);
    if (this.#links.length > LINKS_REMEMBERED_MAX) this.#links.splice(1, 1);
  }

  /**
   * Whether a stream whose last carrier is `after`, for all that its node knows, is the one that is known here. Not if it
   * went on elsewhere since: at another cloudcore, or from a database that was put back as it was.
   */
  goesOnAfter(after: string | undefined): boolean {
    return this.#isUntouched || (after !== undefined && this.#links.includes(after));
  }

  /** What is known, but for what the node has not sent: it goes on with other messages. */
  putBack(): Inbox {
    const inbox = new Inbox(this.stream, this.applied);
    inbox.#links = [...this.#links];
    inbox.#isUntouched = this.#isUntouched;
    return inbox;
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
    this.#isUntouched = false;
    if (this.#links.length > 1) this.#links = this.#links.slice(-1);
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
