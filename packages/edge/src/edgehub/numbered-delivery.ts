import { type Clock, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { WebSocketLink } from "@kedge/transport";
import type { OutboxDelivery } from "./outbox-delivery.ts";
import { numbered, type Outbox, type OutboxEntry } from "./outbox.ts";

/** Messages on their way to the cloud whose effect it has not confirmed; then the next waits. */
export const NUMBERED_IN_FLIGHT_MAX = 256;
/** The same in bytes; one that is larger goes alone. */
export const NUMBERED_IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024;
/** What is done leaves the disk together, to spare it: after this long, or when there are this many. */
const REMOVE_INTERVAL_MS = 1_000;
const REMOVE_MESSAGES = 256;
/** A disk that takes nothing is asked again after this long. */
const REMOVE_RETRY_MS = 10_000;

type NumberedLink = Pick<WebSocketLink, "open" | "send" | "terminate">;

export interface NumberedDeliveryDeps {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * With a cloud of ours: each message travels with its number, many at once, and leaves the disk when the cloud says that
 * all up to it is done. Numbers grow, with gaps. What is not done when the link ends goes again on the next, from where
 * the cloud says that it is.
 */
export class NumberedDelivery implements OutboxDelivery {
  readonly #link: NumberedLink;
  readonly #deps: NumberedDeliveryDeps;
  readonly #moved = new WakeUp();
  #inFlight: { readonly seq: number; readonly bytes: number }[] = [];
  #inFlightBytes = 0;
  #givenSeq: number;
  #doneSeq: number;
  #removedSeq = 0;

  /** @param applied from the cloud's agreement; at most what the stream has sent. */
  constructor(link: NumberedLink, applied: number, deps: NumberedDeliveryDeps) {
    this.#link = link;
    this.#deps = deps;
    this.#givenSeq = this.#doneSeq = applied;
  }

  /** The cloud says that all of the stream up to `upTo` is done. One that lags behind an earlier one says nothing new. */
  applied(upTo: number): void {
    if (!this.#link.open) return;
    if (upTo > this.#givenSeq) {
      // Whatever it means, it is not our messages: rather send them twice than lose one.
      this.#deps.logger.error({ upTo, sent: this.#givenSeq }, "the cloud confirms messages that it was never sent");
      this.#deps.outbox.giveUpStream();
      return this.#link.terminate("the cloud confirms messages that it was never sent");
    }
    if (upTo <= this.#doneSeq) return;
    this.#doneSeq = upTo;
    const left = this.#inFlight.findIndex(({ seq }) => seq > upTo);
    const done = this.#inFlight.splice(0, left === -1 ? this.#inFlight.length : left);
    for (const { bytes } of done) this.#inFlightBytes -= bytes;
    this.#moved.wake();
  }

  /** Before it goes, the disk knows that it may have gone. */
  async page(): Promise<OutboxEntry[]> {
    const entries = this.#deps.outbox.after(this.#givenSeq);
    const last = entries.at(-1);
    if (last !== undefined) await this.#deps.outbox.markSent(last.seq);
    return entries;
  }

  hasRoom({ bytes }: OutboxEntry): boolean {
    const { length } = this.#inFlight;
    if (length === 0) return true;
    return length < NUMBERED_IN_FLIGHT_MAX && this.#inFlightBytes + bytes <= NUMBERED_IN_FLIGHT_BYTES_MAX;
  }

  async send({ seq, bytes, message }: OutboxEntry): Promise<void> {
    this.#givenSeq = seq; // before it goes: the answer may be faster than the kernel's word that it has gone
    this.#inFlight.push({ seq, bytes });
    this.#inFlightBytes += bytes;
    await this.#link.send(numbered(message, seq));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    for (;;) {
      try {
        await this.#remove();
      } catch (error) {
        // It is done, whatever the disk says: this link goes on, and the next begins after it.
        logger.warn({ error: toError(error) }, "what the cloud has done stays in the outbox for now");
        await clock.sleep(REMOVE_RETRY_MS, signal);
        continue;
      }
      await this.#moved.wait(signal);
      if (this.#doneSeq - this.#removedSeq < REMOVE_MESSAGES) await clock.sleep(REMOVE_INTERVAL_MS, signal);
    }
  }

  async end(): Promise<void> {
    await this.#remove().catch(() => undefined); // the cloud will say again that it is done
  }

  async #remove(): Promise<void> {
    const seq = this.#doneSeq;
    if (seq <= this.#removedSeq) return;
    await this.#deps.outbox.removeUpTo(seq);
    this.#removedSeq = seq;
  }
}
