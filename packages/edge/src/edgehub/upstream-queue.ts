import type { DatabaseSync } from "node:sqlite";
import {
  type ChannelAgreement,
  type ChannelOffer,
  keepalive,
  type Message,
  Operation,
  ProtocolError,
  Source,
} from "@kedge/protocol";
import { type Clock, type Logger, toError, TokenBucket, WakeUp } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { WebSocketLink } from "@kedge/transport";
import { HubError } from "./hub-error.ts";
import type { HubMetrics } from "./hub-metrics.ts";
import { NumberedDelivery } from "./numbered-delivery.ts";
import { Outbox, type OutboxEntry } from "./outbox.ts";
import type { OutboxDelivery } from "./outbox-delivery.ts";
import { PingedDelivery } from "./pinged-delivery.ts";
import { RequestTable } from "./request-table.ts";

export interface UpstreamConfig {
  /** Messages a second, and how many at once; 0 switches the limit off. Answers to the cloud and keepalives are free. */
  readonly messageQps: number;
  readonly messageBurst: number;
  readonly heartbeatMs: number;
}

export interface UpstreamDeps {
  readonly db: DatabaseSync;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: HubMetrics;
}

/** How long a question waits for a broken link to come back before its asker is told. */
const RECONNECT_GRACE_MS = 5_000;
/** How often we look within a heartbeat whether something else was sent. */
const BEAT_LOOKS = 4;

/** Says nothing that must survive: an ack belongs to its session, the others are made anew after each connect. */
function isEphemeral({ route }: Message): boolean {
  const { operation = "", source } = route;
  if (operation === Operation.response || operation === Operation.error || operation === Operation.keepalive)
    return true;
  return source === Source.metaServer || (source === Source.twin && operation === Operation.get);
}

/**
 * What goes to the cloud: acks at once; then questions, whose askers wait; then the outbox, on disk and in order. One
 * writer per link.
 */
export class UpstreamQueue {
  readonly #config: UpstreamConfig;
  readonly #deps: UpstreamDeps;
  readonly #outbox: Outbox;
  readonly #requests = new RequestTable();
  readonly #bucket: TokenBucket;
  readonly #something = new WakeUp();
  #link: WebSocketLink | undefined;
  #numbered: NumberedDelivery | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  /** The last number that any link was given in this run. */
  #sentSeq = 0;

  constructor(config: UpstreamConfig, deps: UpstreamDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#outbox = new Outbox(deps.db, deps.commits, deps.logger);
    this.#bucket = new TokenBucket(config.messageQps, config.messageBurst, deps.clock);
  }

  get connected(): boolean {
    return this.#link?.open === true;
  }

  /** Resolves once the message is on disk, or, if it is ephemeral, was given to the link or dropped for want of one. */
  async send(message: Message): Promise<void> {
    if (!isEphemeral(message)) {
      await this.#outbox.add(message);
      this.#something.wake();
      return;
    }
    if (this.#link === undefined) return;
    try {
      await this.#link.send(message);
    } catch (error) {
      this.#deps.logger.debug({ route: message.route, error: toError(error) }, "not sent");
    }
  }

  /** @throws {HubError} `NotConnected` at once while the cloud is away, `Timeout`, `QueueFull` */
  async request(message: Message, timeoutMs: number, signal: AbortSignal): Promise<Message> {
    if (!this.connected) throw notConnected();
    const reply = this.#requests.add(message, timeoutMs, signal);
    this.#something.wake();
    return reply;
  }

  /** Hands an answer to its asker. @returns false if nobody waits for it. */
  resolve(reply: Message): boolean {
    return this.#requests.resolve(reply);
  }

  /** What a cloud of ours needs to know to take the outbox. */
  offer(): ChannelOffer {
    return this.#outbox.offer();
  }

  /** Whether a cloud of ours that agreed so can be served. */
  isTrusted({ applied }: ChannelAgreement): Promise<boolean> {
    return this.#outbox.trusts(applied);
  }

  /** The cloud says that all of the stream up to `upTo` is done. */
  applied(upTo: number): void {
    this.#numbered?.applied(upTo);
    this.#something.wake(); // there may be room
  }

  /**
   * Sends through `link` until it ends, beginning with what an earlier link may have lost. Never throws.
   *
   * @param agreement undefined with a stock cloud.
   */
  async serve(link: WebSocketLink, agreement: ChannelAgreement | undefined, stopped: AbortSignal): Promise<void> {
    const ended = new AbortController();
    void link.closed.then(() => ended.abort());
    const signal = AbortSignal.any([stopped, ended.signal]);
    clearTimeout(this.#graceTimer);
    this.#requests.markAllUnsent();
    const { clock, logger } = this.#deps;
    const outbox = this.#outbox;
    this.#numbered = agreement && new NumberedDelivery(link, agreement.applied, { outbox, clock, logger });
    outbox.numbered = this.#numbered !== undefined;
    const delivery = this.#numbered ?? new PingedDelivery(link, outbox, clock);
    this.#something.wake();
    this.#link = link;
    const guard = async (part: Promise<void>) => {
      try {
        await part;
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.logger.warn({ error: toError(error) }, "cannot send to the cloud");
        link.terminate("sending failed");
      }
    };
    // The first beat comes first: a cloud counts a node as here when it has heard one.
    const beat = this.#beat(link, agreement !== undefined, signal);
    await Promise.all([beat, this.#write(link, delivery, signal), delivery.run(signal)].map(guard));
    this.#link = this.#numbered = undefined;
    outbox.numbered = false;
    await delivery.end();
    if (!stopped.aborted)
      this.#graceTimer = setTimeout(() => this.#requests.failAll(notConnected()), RECONNECT_GRACE_MS);
  }

  stop(): void {
    clearTimeout(this.#graceTimer);
    this.#requests.failAll(notConnected());
  }

  async #write(link: WebSocketLink, delivery: OutboxDelivery, signal: AbortSignal): Promise<void> {
    let page: OutboxEntry[] = [];
    for (;;) {
      await this.#something.wait(signal);
      for (;;) {
        const question = this.#requests.takeUnsent();
        if (question !== undefined) {
          await this.#bucket.wait(signal);
          await this.#ask(link, question);
          continue;
        }
        if (page.length === 0) page = await delivery.page();
        const [entry] = page;
        if (entry === undefined) break;
        if (!delivery.hasRoom(entry)) break; // woken when there is: questions need not wait for that
        await this.#bucket.wait(signal);
        this.#deps.metrics.sent(entry.seq <= this.#sentSeq);
        this.#sentSeq = Math.max(this.#sentSeq, entry.seq);
        await delivery.send(entry);
        page.shift();
      }
    }
  }

  async #ask(link: WebSocketLink, question: Message): Promise<void> {
    try {
      await link.send(question);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#requests.fail(question, error); // too large, on every link: its asker must know, nobody else
    }
  }

  /** A cloud of ours hears us in whatever we send: it needs a beat only where nothing else was sent. */
  async #beat(link: WebSocketLink, agreed: boolean, signal: AbortSignal): Promise<void> {
    const { heartbeatMs } = this.#config;
    let quiet = 0;
    for (;;) {
      await link.send(keepalive());
      do {
        const { bytesOut } = link.traffic;
        await this.#deps.clock.sleep(agreed ? heartbeatMs / BEAT_LOOKS : heartbeatMs, signal);
        quiet = link.traffic.bytesOut === bytesOut ? quiet + 1 : 0;
      } while (agreed && quiet < BEAT_LOOKS - 1);
      quiet = 0;
    }
  }
}

function notConnected(): HubError {
  return new HubError("the cloud is away: this node is not connected to it", { code: "NotConnected" });
}
