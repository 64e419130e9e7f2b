import { type Clock, WakeUp } from "@kedge/runtime";
import type { WebSocketLink } from "@kedge/transport";
import type { OutboxDelivery } from "./outbox-delivery.ts";
import type { Outbox, OutboxEntry } from "./outbox.ts";

/**
 * A stock cloud confirms no message, but every WebSocket peer answers pings, in order: one that is answered says that all
 * before it was read. Not more often than this.
 */
const CONFIRM_INTERVAL_MS = 100;
/** Confirmed messages leave the disk together, to spare it: after this long, or when there are this many. */
const REMOVE_INTERVAL_MS = 5_000;
const REMOVE_MESSAGES = 256;

/** With a stock cloud: what a ping confirms is gone, the rest is sent again on the next link. */
export class PingedDelivery implements OutboxDelivery {
  readonly #link: WebSocketLink;
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #given = new WakeUp();
  /** The last message that the link was given, that the peer has read, and that has left the disk. */
  #givenSeq = 0;
  #confirmedSeq = 0;
  #removedSeq = 0;

  constructor(link: WebSocketLink, outbox: Outbox, clock: Clock) {
    this.#link = link;
    this.#outbox = outbox;
    this.#clock = clock;
  }

  page(): Promise<OutboxEntry[]> {
    return Promise.resolve(this.#outbox.after(this.#givenSeq));
  }

  hasRoom(): boolean {
    return true;
  }

  async send({ seq, message }: OutboxEntry): Promise<void> {
    this.#outbox.carried(seq);
    await this.#link.send(message);
    this.#givenSeq = seq;
    this.#given.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      while (this.#givenSeq === this.#confirmedSeq) {
        await this.#given.waitOr(REMOVE_INTERVAL_MS, this.#clock, signal);
        if (this.#givenSeq !== this.#confirmedSeq) break;
        await this.#removeConfirmed();
        await this.#given.wait(signal);
      }
      const seq = this.#givenSeq;
      await this.#link.confirm();
      this.#confirmedSeq = seq;
      if (seq - this.#removedSeq >= REMOVE_MESSAGES) await this.#removeConfirmed();
      await this.#clock.sleep(CONFIRM_INTERVAL_MS, signal);
    }
  }

  async end(): Promise<void> {
    await this.#removeConfirmed().catch(() => undefined); // what stays is sent twice, that is all
  }

  async #removeConfirmed(): Promise<void> {
    const seq = this.#confirmedSeq;
    if (seq === this.#removedSeq) return;
    await this.#outbox.removeUpTo(seq);
    this.#removedSeq = seq;
  }
}
