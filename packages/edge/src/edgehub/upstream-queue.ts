import type { DatabaseSync } from "node:sqlite";
import { keepalive, type Message, Operation, ProtocolError, Source } from "@kedge/protocol";
import { type Clock, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import type { WebSocketLink } from "@kedge/transport";
import { HubError } from "./hub-error.ts";
import { Outbox } from "./outbox.ts";
import { RequestTable } from "./request-table.ts";
import { TokenBucket } from "./token-bucket.ts";

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
}

/** How long a question waits for a broken link to come back before its asker is told. */
const RECONNECT_GRACE_MS = 5_000;
/**
 * A stock cloud confirms no message, but every WebSocket peer answers pings, in order: one that is answered says that all
 * before it was read. Not more often than this.
 */
const CONFIRM_INTERVAL_MS = 100;
/** Confirmed messages leave the disk together, to spare it: after this long, or when there are this many. */
const REMOVE_INTERVAL_MS = 5_000;
const REMOVE_MESSAGES = 256;

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
  readonly #given = new WakeUp();
  #link: WebSocketLink | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  /** Of the outbox: the last message that this link was given, that a peer has read, and that has left the disk. */
  #givenSeq = 0;
  #confirmedSeq = 0;
  #removedSeq = 0;

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

  /** Sends through `link` until it ends, beginning with what an earlier link may have lost. Never throws. */
  async serve(link: WebSocketLink, stopped: AbortSignal): Promise<void> {
    const ended = new AbortController();
    void link.closed.then(() => ended.abort());
    const signal = AbortSignal.any([stopped, ended.signal]);
    clearTimeout(this.#graceTimer);
    this.#requests.markAllUnsent();
    this.#givenSeq = this.#confirmedSeq;
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
    const loops = [this.#beat(link, signal), this.#write(link, signal), this.#confirm(link, signal)];
    await Promise.all(loops.map(guard));
    this.#link = undefined;
    await this.#removeConfirmed().catch(() => undefined); // what stays is sent twice, that is all
    if (!stopped.aborted)
      this.#graceTimer = setTimeout(() => this.#requests.failAll(notConnected()), RECONNECT_GRACE_MS);
  }

  stop(): void {
    clearTimeout(this.#graceTimer);
    this.#requests.failAll(notConnected());
  }

  async #write(link: WebSocketLink, signal: AbortSignal): Promise<void> {
    let page: ReturnType<Outbox["after"]> = [];
    for (;;) {
      await this.#something.wait(signal);
      for (;;) {
        const question = this.#requests.takeUnsent();
        if (question !== undefined) {
          await this.#bucket.take(signal);
          await this.#ask(link, question);
          continue;
        }
        if (page.length === 0) page = this.#outbox.after(this.#givenSeq);
        const [entry] = page;
        if (entry === undefined) break;
        await this.#bucket.take(signal);
        await link.send(entry.message);
        page.shift();
        this.#givenSeq = entry.seq;
        this.#given.wake();
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

  async #beat(link: WebSocketLink, signal: AbortSignal): Promise<void> {
    for (;;) {
      await link.send(keepalive());
      await this.#deps.clock.sleep(this.#config.heartbeatMs, signal);
    }
  }

  async #confirm(link: WebSocketLink, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    for (;;) {
      while (this.#givenSeq === this.#confirmedSeq) {
        await this.#given.waitOr(REMOVE_INTERVAL_MS, clock, signal);
        if (this.#givenSeq !== this.#confirmedSeq) break;
        await this.#removeConfirmed();
        await this.#given.wait(signal);
      }
      const seq = this.#givenSeq;
      await link.confirm();
      this.#confirmedSeq = seq;
      if (seq - this.#removedSeq >= REMOVE_MESSAGES) await this.#removeConfirmed();
      await clock.sleep(CONFIRM_INTERVAL_MS, signal);
    }
  }

  async #removeConfirmed(): Promise<void> {
    const seq = this.#confirmedSeq;
    if (seq === this.#removedSeq) return;
    await this.#outbox.removeUpTo(seq);
    this.#removedSeq = seq;
  }
}

function notConnected(): HubError {
  return new HubError("the cloud is away: this node is not connected to it", { code: "NotConnected" });
}
