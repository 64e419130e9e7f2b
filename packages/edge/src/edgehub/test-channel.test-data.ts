import {
  type ChannelOffer,
  type ControlFrame,
  formatAgreement,
  KEDGE_CHANNEL_HEADER,
  type Message,
  parseOffer,
} from "@kedge/protocol";
import { deferred } from "@kedge/runtime";
import type { LinkRequest, WebSocketLink } from "@kedge/transport";

/** What a cloud of ours knows of one node: its streams, its epoch, and what it has done. The test scripts when it does what. */
export class TestChannel {
  epoch = 0;
  readonly offers: ChannelOffer[] = [];
  /** Stream → all up to this is done. */
  readonly applied = new Map<string, number>();
  /** What was done, once each time that it was done. */
  readonly effects: Message[] = [];
  /** Whether a numbered message is done as soon as it has come; else {@link work} does it. */
  atOnce = true;
  /** Answers to lease renewals; undefined: none. */
  lease: (request: number) => ControlFrame | undefined = (request) => ({ kind: "leaseRenewed", request });
  leaseRequests = 0;
  readonly #waiting: { readonly stream: string; readonly message: Message; readonly link: WebSocketLink }[] = [];
  readonly #changed = new Set<() => void>();

  /** @returns the header of the answer, if the edge has made an offer. */
  answer(request: LinkRequest): Readonly<Record<string, string>> | undefined {
    const offer = parseOffer(request.headers[KEDGE_CHANNEL_HEADER.toLowerCase()]);
    if (offer === undefined) return undefined;
    this.offers.push(offer);
    this.#waiting.length = 0; // what had come and was not done died with its link
    this.epoch += 1;
    const applied = this.applied.get(offer.stream) ?? 0;
    return { [KEDGE_CHANNEL_HEADER]: formatAgreement({ epoch: this.epoch, applied }) };
  }

  agree(link: WebSocketLink): void {
    link.agree({
      onControl: (frame) => {
        if (frame.kind !== "renewLease") return;
        this.leaseRequests += 1;
        const answer = this.lease(frame.request);
        if (answer !== undefined) void link.sendControl(answer).catch(() => undefined);
        for (const look of this.#changed) look();
      },
    });
  }

  /** Takes a message of a link that agreed. */
  take(message: Message, link: WebSocketLink): void {
    if (message.header.seq === undefined) return;
    this.#waiting.push({ stream: this.offers.at(-1)?.stream ?? "", message, link });
    if (this.atOnce) this.work();
    for (const look of this.#changed) look();
  }

  /** Numbers of what has come and is not done. */
  get waiting(): number[] {
    return this.#waiting.map(({ message }) => message.header.seq ?? 0);
  }

  /** Does so many of what has come, oldest first, and says so; what is done already is not done again. */
  work(count = Infinity, { tell = true } = {}): void {
    for (const { stream, message, link } of this.#waiting.splice(0, Math.min(count, this.#waiting.length))) {
      const { seq = 0 } = message.header;
      if (seq > (this.applied.get(stream) ?? 0)) {
        this.effects.push(message);
        this.applied.set(stream, seq);
      }
      if (tell) this.say(this.applied.get(stream) ?? 0, link);
    }
    for (const look of this.#changed) look();
  }

  say(upTo: number, link: WebSocketLink): void {
    void link.sendControl({ kind: "applied", upTo }).catch(() => undefined);
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      const { promise, resolve } = deferred<void>();
      this.#changed.add(resolve);
      await promise.finally(() => this.#changed.delete(resolve));
    }
  }
}
