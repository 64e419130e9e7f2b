import type { DatabaseSync } from "node:sqlite";
import { keepalive, type Message, Operation, Source } from "@kedge/protocol";
import { type Clock, type Logger, toError } from "@kedge/runtime";
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
 * A stock cloud confirms nothing. What was written to a link that is still up after this many heartbeats has arrived: the
 * cloud ends a connection from which it hears nothing for two.
 */
const CONFIRM_HEARTBEATS = 3;

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
  #link: WebSocketLink | undefined;
  #wake: (() => void) | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  /** The last message of the outbox that this link has been given. */
  #givenSeq = 0;
  #given: { readonly seq: number; readonly atMs: number }[] = [];

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
      this.#wake?.();
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
    this.#wake?.();
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
    this.#givenSeq = 0;
    this.#given = [];
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
    await Promise.all([guard(this.#beat(link, signal)), guard(this.#write(link, signal))]);
    this.#link = undefined;
    this.#wake = undefined;
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
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      for (;;) {
        const question = this.#requests.takeUnsent();
        if (question !== undefined) {
          await this.#bucket.take(signal);
          await link.send(question);
          continue;
        }
        if (page.length === 0) page = this.#outbox.after(this.#givenSeq);
        const [entry] = page;
        if (entry === undefined) break;
        await this.#bucket.take(signal);
        await link.send(entry.message);
        page.shift();
        this.#givenSeq = entry.seq;
        this.#given.push({ seq: entry.seq, atMs: this.#deps.clock.monotonic() });
      }
      await abortableWait(woken, signal);
    }
  }

  async #beat(link: WebSocketLink, signal: AbortSignal): Promise<void> {
    for (;;) {
      await link.send(keepalive());
      await this.#deps.clock.sleep(this.#config.heartbeatMs, signal);
      await this.#confirm();
    }
  }

  async #confirm(): Promise<void> {
    const before = this.#deps.clock.monotonic() - CONFIRM_HEARTBEATS * this.#config.heartbeatMs;
    const arrived = this.#given.findLast(({ atMs }) => atMs <= before);
    if (arrived === undefined) return;
    this.#given = this.#given.filter(({ seq }) => seq > arrived.seq);
    await this.#outbox.removeUpTo(arrived.seq);
  }
}

function abortableWait(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  void promise.then(resolve);
  return ended.finally(() => signal.removeEventListener("abort", abort));
}

function notConnected(): HubError {
  return new HubError("the cloud is away: this node is not connected to it", { code: "NotConnected" });
}
