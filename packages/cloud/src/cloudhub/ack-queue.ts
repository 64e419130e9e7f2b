import { type Message, Operation } from "@kedge/protocol";
import { compareVersions } from "./compare-versions.ts";

/** Messages of one object that wait; there are more only if it is deleted and created anew while the edge is slow. */
const LANE_MESSAGES_MAX = 16;
/** Objects of one node with something to say. Beyond that we wait for the next comparison of all objects. */
export const LANES_MAX = 20_000;

/**
 * What one object still has to tell one node, in order. Of each incarnation (UID) only the newest state waits, a deletion
 * ends it, and nothing overtakes a deletion.
 */
export class Lane {
  readonly key: string;
  readonly #waiting: Message[] = [];
  /** The head was sent and may still be acknowledged: it must not be replaced any more. */
  sent = false;
  transmissions = 0;
  failures = 0;

  constructor(key: string) {
    this.key = key;
  }

  get head(): Message | undefined {
    return this.#waiting[0];
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** @returns whether the message waits now; false: what waits says it already, or there is no room. */
  offer(message: Message): boolean {
    const last = this.#waiting.at(-1);
    const frozen = this.sent && this.#waiting.length === 1;
    if (last === undefined || isAnswer(message) || uidOf(last) !== uidOf(message)) return this.#append(message);
    if (isDelete(last)) return false; // this incarnation is gone for good
    if (isAnswer(last)) return this.#append(message);
    if (!isDelete(message) && !isNewer(message, last)) return false;
    if (frozen) return this.#append(message);
    this.#waiting[this.#waiting.length - 1] = message;
    return true;
  }

  #append(message: Message): boolean {
    if (this.#waiting.length >= LANE_MESSAGES_MAX) return false;
    this.#waiting.push(message);
    return true;
  }

  /** The head is done with, whichever way. */
  shift(): void {
    this.#waiting.shift();
    this.sent = false;
    this.transmissions = 0;
    this.failures = 0;
  }

  /** Whether the head needs no repetition, since a newer state of the same incarnation, or its deletion, waits behind it. */
  get superseded(): boolean {
    const [head, next] = this.#waiting;
    return (
      head !== undefined &&
      next !== undefined &&
      !isDelete(head) &&
      !isAnswer(head) &&
      !isAnswer(next) &&
      uidOf(head) === uidOf(next)
    );
  }
}

/** Lanes by object. */
export class AckQueue {
  readonly #lanes = new Map<string, Lane>();

  get size(): number {
    return this.#lanes.size;
  }

  /** @param message with its wire resource. @returns the lane that has got something new to say. */
  offer(message: Message): Lane | undefined {
    const key = message.route.resource ?? "";
    const lane = this.#lanes.get(key) ?? new Lane(key);
    if (lane.length === 0) {
      if (this.#lanes.size >= LANES_MAX) return undefined;
      this.#lanes.set(key, lane);
    }
    return lane.offer(message) ? lane : undefined;
  }

  /** To be called when a lane has nothing left to say. */
  remove(lane: Lane): void {
    this.#lanes.delete(lane.key);
  }

  clear(): void {
    this.#lanes.clear();
  }
}

export function isDelete(message: Message): boolean {
  return message.route.operation === Operation.delete;
}

export function isAnswer(message: Message): boolean {
  return message.route.operation === Operation.response;
}

/** Whether the API server has marked the object for deletion. */
export function isTerminating(message: Message): boolean {
  const timestamp = metadataOf(message)["deletionTimestamp"];
  return timestamp !== undefined && timestamp !== null;
}

function uidOf(message: Message): unknown {
  return metadataOf(message)["uid"];
}

function metadataOf({ content }: Message): Record<string, unknown> {
  const metadata = (content as { metadata?: Record<string, unknown> } | null)?.metadata;
  return metadata ?? {};
}

/** What cannot be compared counts as newer: it was said later. */
function isNewer(message: Message, than: Message): boolean {
  return (compareVersions(message.header.resourceversion, than.header.resourceversion) ?? 1) > 0;
}
