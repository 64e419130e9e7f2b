import type { ChannelOffer, Message } from "@kedge/protocol";
import type { Clock } from "@kedge/runtime";
import type { WebSocketLink } from "@kedge/transport";
import type { Inbox } from "./inbox.ts";

/** While messages are worked on, the node is told that often how far we are. */
const TELL_MS = 50;

/** What one session with an edge of our own has beyond a stock one: numbered messages, and saying that they are done. */
export class AgreedChannel {
  readonly #inbox: Inbox;
  readonly #offer: ChannelOffer;
  readonly #link: WebSocketLink;
  readonly #clock: Clock;
  #told: number;
  #toldAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param inbox of the offered stream; the node knows its watermark from our answer. */
  constructor(offer: ChannelOffer, inbox: Inbox, link: WebSocketLink, clock: Clock) {
    this.#offer = offer;
    this.#inbox = inbox;
    this.#link = link;
    this.#clock = clock;
    this.#told = inbox.applied;
    inbox.open(offer.link);
  }

  get stream(): string {
    return this.#inbox.stream;
  }

  /** @returns whether there is something to do: not for what is done, or under way. */
  receive({ header }: Message, work: object): boolean {
    const receipt = this.#inbox.receive(header.seq ?? 0, work);
    if (receipt === "done") {
      this.#told = -1; // it seems not to have heard
      this.#tellSoon();
    }
    return receipt === "new";
  }

  /** Whether an earlier session, also at another cloudcore, may have had the message. */
  isRepeat({ header }: Message): boolean {
    return (header.seq ?? 0) <= this.#offer.sent;
  }

  done({ header }: Message, work: object): void {
    if (!this.#closed && this.#inbox.done(header.seq ?? 0, work)) this.#tellSoon();
  }

  #tellSoon(): void {
    const waitMs = this.#inbox.openCount === 0 ? 0 : this.#toldAt + TELL_MS - this.#clock.monotonic();
    if (waitMs <= 0) this.#tell();
    else this.#timer ??= setTimeout(() => this.#tell(), waitMs);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const upTo = this.#inbox.applied;
    if (this.#closed || upTo <= this.#told) return;
    this.#told = upTo;
    this.#toldAt = this.#clock.monotonic();
    this.#link.sendControl({ kind: "applied", upTo }).catch(() => this.#tellAgain());
  }

  /** A link that is over loses nothing: the next one begins with the watermark. But one that was full goes on. */
  #tellAgain(): void {
    if (this.#closed || !this.#link.open) return;
    this.#told = -1;
    this.#timer ??= setTimeout(() => this.#tell(), TELL_MS);
  }

  /** What is not done by now comes again with the node's next session. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#inbox.giveUp();
  }
}
