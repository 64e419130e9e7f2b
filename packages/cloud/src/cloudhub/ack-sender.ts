import type { Message } from "@kedge/protocol";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import { AckQueue, isAnswer, type Lane } from "./ack-queue.ts";

/** Messages of one node that may wait for their acknowledgement at once; each is of another object. */
export const IN_FLIGHT_MAX = 64;
/** As KubeEdge: wait this long for an acknowledgement, then send again. */
export const ACK_TIMEOUT_MS = 5_000;
/** Transmissions without a pause in between; from then on the waits grow. */
const QUICK_TRANSMISSIONS = 5;
/** An answer whose asker did not take it for that often is dropped: the asker is gone (W17). */
const ANSWER_TRANSMISSIONS_MAX = 5;
/** The same, when news about the object waits behind it. */
const ANSWER_TRANSMISSIONS_IN_THE_WAY_MAX = 2;
/** How long a message waits for those that were offered before it to be prepared. */
const ORDER_WAIT_MS = 1_000;
const RETRY_INITIAL_MS = 1_000;
const RETRY_MAX_MS = 60_000;
const TICK_MS = 500;
/** Of what the edge says why, in our log. */
const REASON_CHARS_MAX = 512;

export interface AckSenderDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What must be stored before the message is sent for the first time; `undefined`: nothing. */
  readonly prepare: (message: Message) => Promise<void> | undefined;
  readonly send: (message: Message) => Promise<void>;
  readonly acknowledged: (message: Message, afterMs: number) => void;
  readonly retried: () => void;
}

/**
 * Sends messages until they are acknowledged: each object on its own, so that one that the edge cannot take holds up no
 * other (W15).
 */
export class AckSender {
  readonly #deps: AckSenderDeps;
  readonly #queue = new AckQueue();
  readonly #ready = new Set<Lane>();
  /** Lanes whose head is being prepared, or was sent and is not yet due again. */
  readonly #inFlight = new Map<Lane, { sentAt: number }>();
  /** Lanes that failed, and when they may try again. */
  readonly #waiting = new Map<Lane, number>();
  readonly #byId = new Map<string, Lane>();
  /** Lanes whose head is not sent yet, in order, and whether it could be. */
  readonly #preparing = new Map<Lane, boolean>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(deps: AckSenderDeps) {
    this.#deps = deps;
  }

  /** Objects with something left to say. */
  get size(): number {
    return this.#queue.size;
  }

  /** @param message with its wire resource. @returns false if it is known already, or there is no room for it. */
  offer(message: Message): boolean {
    if (this.#stopped) return false;
    const lane = this.#queue.offer(message);
    if (lane === undefined) return false;
    // New state is worth a new try at once.
    if (this.#waiting.delete(lane)) this.#skipSuperseded(lane);
    if (!this.#inFlight.has(lane)) this.#ready.add(lane);
    this.#pump();
    return true;
  }

  /** @param id of the acknowledged message; unknown ones are ignored. */
  acknowledge(id: string): void {
    const lane = this.#byId.get(id);
    const message = lane?.head;
    if (lane === undefined || message?.header.msg_id !== id) return;
    const sentAt = this.#inFlight.get(lane)?.sentAt ?? this.#deps.clock.monotonic();
    this.#finish(lane);
    this.#deps.acknowledged(message, this.#deps.clock.monotonic() - sentAt);
    this.#pump();
  }

  /** The edge says that it could not do it: no need to wait for the timeout, but no hurry either (W16). */
  refuse(id: string, reason: unknown): void {
    const lane = this.#byId.get(id);
    if (lane === undefined || lane.head?.header.msg_id !== id) return;
    const said = (JSON.stringify(reason) ?? "").slice(0, REASON_CHARS_MAX);
    this.#deps.logger.warn({ resource: lane.key, reason: said }, "the edge could not apply a message, trying again");
    this.#retryLater(lane);
    this.#pump();
  }

  #pump(): void {
    for (const lane of this.#ready) {
      if (this.#inFlight.size >= IN_FLIGHT_MAX) return;
      this.#ready.delete(lane);
      this.#transmit(lane);
    }
  }

  #transmit(lane: Lane): void {
    const message = lane.head;
    if (message === undefined) return;
    this.#inFlight.set(lane, { sentAt: this.#deps.clock.monotonic() });
    this.#startTimer();
    const prepared = lane.sent ? undefined : this.#deps.prepare(message);
    if (prepared === undefined && this.#preparing.size === 0) return this.#send(lane, message);
    this.#preparing.set(lane, prepared === undefined);
    prepared?.then(
      () => this.#prepared(lane),
      (error: unknown) => this.#notPrepared(lane, error),
    );
  }

  #prepared(lane: Lane): void {
    if (this.#preparing.has(lane)) this.#preparing.set(lane, true);
    this.#sendPrepared();
  }

  #notPrepared(lane: Lane, error: unknown): void {
    if (this.#stopped) return;
    this.#deps.logger.warn({ resource: lane.key, error: toError(error) }, "cannot store what is sent, trying again");
    this.#preparing.delete(lane);
    this.#retryLater(lane);
    this.#sendPrepared();
    this.#pump();
  }

  /** In the order in which they were offered: a pod comes after what it needs. One that takes long is not waited for. */
  #sendPrepared(): void {
    const now = this.#deps.clock.monotonic();
    for (const [lane, ready] of this.#preparing) {
      const waitedMs = now - (this.#inFlight.get(lane)?.sentAt ?? now);
      if (!ready && waitedMs < ORDER_WAIT_MS) return;
      if (!ready) continue;
      this.#preparing.delete(lane);
      // A newer state may have come meanwhile; it has the same record.
      if (lane.head !== undefined) this.#send(lane, lane.head);
    }
  }

  #send(lane: Lane, message: Message): void {
    lane.sent = true;
    lane.transmissions += 1;
    if (lane.transmissions > 1) this.#deps.retried();
    this.#byId.set(message.header.msg_id, lane);
    this.#inFlight.delete(lane); // so that the order is that of sending
    this.#inFlight.set(lane, { sentAt: this.#deps.clock.monotonic() });
    this.#deps.send(message).catch((error: unknown) => {
      // The link is over, or full: the session ends, or the next timeout tries again.
      this.#deps.logger.debug({ resource: lane.key, error: toError(error) }, "not sent");
    });
  }

  #finish(lane: Lane): void {
    this.#byId.delete(lane.head?.header.msg_id ?? "");
    this.#inFlight.delete(lane);
    this.#waiting.delete(lane);
    this.#preparing.delete(lane);
    lane.shift();
    if (lane.head === undefined) {
      this.#ready.delete(lane);
      this.#queue.remove(lane);
      if (this.#queue.size === 0) this.#stopTimer();
    } else this.#ready.add(lane);
  }

  #retryLater(lane: Lane): void {
    this.#inFlight.delete(lane);
    this.#preparing.delete(lane);
    this.#ready.delete(lane);
    const waitMs = Math.min(RETRY_MAX_MS, RETRY_INITIAL_MS * 2 ** lane.failures);
    lane.failures += 1;
    this.#waiting.set(lane, this.#deps.clock.monotonic() + waitMs);
  }

  #skipSuperseded(lane: Lane): void {
    if (lane.superseded) this.#finish(lane);
  }

  #tick(): void {
    const now = this.#deps.clock.monotonic();
    this.#sendPrepared();
    // Sent earliest first, so the first that is not due ends the search.
    for (const [lane, { sentAt }] of this.#inFlight) {
      if (!lane.sent || this.#preparing.has(lane)) continue; // not sent yet: preparing has its own limits
      if (now - sentAt < ACK_TIMEOUT_MS) break;
      this.#timedOut(lane);
    }
    for (const [lane, dueAt] of this.#waiting) {
      if (dueAt > now) continue;
      this.#waiting.delete(lane);
      this.#ready.add(lane);
    }
    this.#pump();
  }

  #timedOut(lane: Lane): void {
    const message = lane.head;
    this.#inFlight.delete(lane);
    const answerMax = lane.length > 1 ? ANSWER_TRANSMISSIONS_IN_THE_WAY_MAX : ANSWER_TRANSMISSIONS_MAX;
    if (message !== undefined && isAnswer(message) && lane.transmissions >= answerMax) {
      this.#deps.logger.debug({ resource: lane.key }, "nobody took the answer; dropped");
      this.#finish(lane);
    } else if (lane.superseded) this.#finish(lane);
    else if (lane.transmissions < QUICK_TRANSMISSIONS) this.#ready.add(lane);
    else this.#retryLater(lane);
  }

  #startTimer(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #stopTimer(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Forgets everything: what was not acknowledged is found again by comparing (W26). */
  stop(): void {
    this.#stopped = true;
    this.#stopTimer();
    this.#queue.clear();
    this.#ready.clear();
    this.#inFlight.clear();
    this.#waiting.clear();
    this.#byId.clear();
    this.#preparing.clear();
  }
}
