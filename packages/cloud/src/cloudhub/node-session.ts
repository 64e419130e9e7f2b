import { type Message, requiresAck, withWireResource } from "@kedge/protocol";
import { type Clock, hasCode, type Logger, toError } from "@kedge/runtime";
import type { WebSocketLink } from "@kedge/transport";
import type { AgreedChannel } from "./agreed-channel.ts";
import { isAnswer, isDelete, isTerminating } from "./ack-queue.ts";
import { AckSender } from "./ack-sender.ts";
import { compareVersions } from "./compare-versions.ts";
import type { HubMetrics } from "./hub-metrics.ts";
import { MessageRate } from "./message-rate.ts";
import { syncedObjectOf } from "./sync-record.ts";
import type { SyncRecords } from "./sync-records.ts";

export interface NodeSessionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly records: SyncRecords;
  readonly metrics: HubMetrics;
  /** With an edge of ours. */
  readonly agreed: AgreedChannel | undefined;
}

/** WebSocket close codes of ours, for the edge's log. */
export const CLOSE_REPLACED = 4001;
export const CLOSE_SILENT = 4002;
export const CLOSE_NODE_DELETED = 4003;
export const CLOSE_NOT_READING = 4005;

/** One connection of one node: what goes down to it, and what it has acknowledged. */
export class NodeSession {
  readonly node: string;
  /** Grows with each session of this process: later ones are newer. */
  readonly epoch: number;
  readonly link: WebSocketLink;
  readonly #deps: NodeSessionDeps;
  /** Only while there is something to say: of thousands of nodes most have heard all. */
  #sender: AckSender | undefined;
  #ended = false;
  /** What is beyond KubeEdge's protocol; only with an edge of ours. */
  readonly agreed: AgreedChannel | undefined;
  #void: AbortController | undefined;
  #heardAt: number;
  readonly #rate = new MessageRate();
  #working = 0;
  #deaf = false;
  #fewerWork: PromiseWithResolvers<void> | undefined;

  constructor(node: string, epoch: number, link: WebSocketLink, deps: NodeSessionDeps) {
    this.node = node;
    this.epoch = epoch;
    this.link = link;
    this.agreed = deps.agreed;
    this.#deps = deps;
    this.#heardAt = deps.clock.monotonic();
  }

  /** How long nothing was heard of the node; 0 while we do not listen. */
  get silentMs(): number {
    return this.#deaf ? 0 : this.#deps.clock.monotonic() - this.#heardAt;
  }

  /** Objects that the node has not acknowledged. */
  get unacknowledged(): number {
    return this.#sender?.size ?? 0;
  }

  heard(): void {
    this.#heardAt = this.#deps.clock.monotonic();
  }

  /** Sends a message, with its internal resource, and sees to it that it arrives if it is of that kind. */
  push(internal: Message): void {
    const message = withWireResource(internal);
    if (!requiresAck(message)) return this.#sendOnce(message);
    if (this.#isKnown(message)) return;
    if (this.#ended) return;
    this.#sender ??= this.#newSender();
    if (this.#sender.offer(message)) this.#deps.metrics.sent("acknowledged");
  }

  #newSender(): AckSender {
    const { clock, logger, metrics } = this.#deps;
    return new AckSender({
      clock,
      logger,
      prepare: (message) => this.#prepare(message),
      send: (message) => this.link.send(message),
      acknowledged: (message, afterMs) => this.#acknowledged(message, afterMs),
      retried: () => metrics.retried(),
    });
  }

  #sendOnce(message: Message): void {
    this.#deps.metrics.sent("once");
    this.link.send(message).catch((error: unknown) => {
      if (hasCode(error, "NotConnected")) return;
      // An edge of ours that connects anew is told all that it is to know: better that than one message that is missing.
      if (this.agreed !== undefined && hasCode(error, "QueueFull"))
        return this.end("it does not read what we send", CLOSE_NOT_READING);
      this.#deps.metrics.dropped();
      const { operation, resource } = message.route;
      this.#deps.logger.warn({ operation, resource, error: toError(error) }, "message to the edge dropped");
    });
  }

  /** Whether the node has acknowledged this state, or a later one. Deletions and answers are always said again. */
  #isKnown(message: Message): boolean {
    if (isDelete(message) || isAnswer(message) || isTerminating(message)) return false;
    const object = syncedObjectOf(message.content);
    if (object === undefined) return false;
    const acknowledged = this.#deps.records.acknowledgedVersion(this.node, object);
    if (acknowledged === undefined) return false;
    return (compareVersions(message.header.resourceversion, acknowledged) ?? 1) <= 0;
  }

  #prepare(message: Message): Promise<void> | undefined {
    if (isDelete(message)) return undefined;
    const object = syncedObjectOf(message.content);
    if (object === undefined || this.#deps.records.acknowledgedVersion(this.node, object) !== undefined)
      return undefined;
    return this.#deps.records.ensure(this.node, object);
  }

  #acknowledged(message: Message, afterMs: number): void {
    this.#deps.metrics.acknowledged(afterMs);
    const object = syncedObjectOf(message.content);
    if (object === undefined) return;
    const version = message.header.resourceversion;
    if (isDelete(message)) this.#deps.records.forget(this.node, object);
    else if (version !== undefined) this.#deps.records.acknowledge(this.node, object, version);
  }

  acknowledge(id: string | undefined): void {
    const sender = this.#sender;
    if (id === undefined || sender === undefined) return;
    sender.acknowledge(id);
    if (sender.size === 0 && this.#sender === sender) this.#sender = undefined;
  }

  refuse(id: string | undefined, reason: unknown): void {
    if (id !== undefined) this.#sender?.refuse(id, reason);
  }

  /** Whether the edge waits to hear that the message is done. */
  isNumbered(message: Message): boolean {
    return this.agreed !== undefined && message.header.seq !== undefined;
  }

  /** Aborts when nothing that the node has said in this session may be done any more. */
  get signal(): AbortSignal {
    this.#void ??= new AbortController();
    return this.#void.signal;
  }

  workBegins(): void {
    this.#working += 1;
  }

  workEnds(): void {
    this.#working -= 1;
    this.#fewerWork?.resolve();
    this.#fewerWork = undefined;
  }

  /** Resolves when fewer than `limit` messages are worked on; `undefined`: they are. */
  workBelow(limit: number): Promise<void> | undefined {
    if (this.#working < limit) return undefined;
    this.#fewerWork ??= Promise.withResolvers<void>();
    return this.#fewerWork.promise;
  }

  /** Counts a message of so many bytes. @returns for how long to read no more; `undefined`: go on. */
  tooFast(bytes = 0): Promise<void> | undefined {
    const waitMs = this.#rate.take(this.#deps.clock.monotonic(), bytes);
    return waitMs === 0 ? undefined : this.#deps.clock.sleep(waitMs, this.signal).catch(() => undefined);
  }

  /** While we do not read, silence is our own doing. */
  async readAfter(...waits: readonly (Promise<void> | undefined)[]): Promise<void> {
    this.#deaf = true;
    for (const wait of waits) await wait;
    this.#deaf = false;
    this.heard();
  }

  /** Ends the session; the link may live on for its closing handshake. Nothing of it counts any more. */
  end(reason: string, code: number): void {
    this.#ended = true;
    this.#sender?.stop();
    this.#sender = undefined;
    if (this.agreed !== undefined) {
      this.agreed.close();
      this.void(); // what is not done comes again; a stock edge would not say it again
    }
    if (this.link.open) void this.link.close(reason, code);
  }

  /** What the node has said and is not done yet must not be done any more. */
  void(): void {
    this.#void ??= new AbortController();
    this.#void.abort(new DOMException("the session is void", "AbortError"));
  }
}
