import type { Event } from "@kedge/kube";
import { type Clock, TokenBucket } from "@kedge/runtime";

/** Objects and messages that are remembered; who has been silent for longest is forgotten. */
const REMEMBERED_MAX = 512;
/** Of one object and type: this many at once, then one in {@link SPAM_REFILL_SECONDS}. */
const SPAM_BURST_MAX = 25;
const SPAM_REFILL_SECONDS = 300;
/** So many that differ in their message alone stay apart; what follows within {@link SIMILAR_MS} is told as one. */
const SIMILAR_MAX = 10;
const SIMILAR_MS = 600_000;
/** An API server forgets events after an hour of silence: then they are told anew. */
const TOLD_MS_MAX = 50 * 60_000;

/** What of an event a recorder knows; the rest follows. */
export type NewEvent = Omit<Event, "metadata" | "count" | "firstTimestamp" | "lastTimestamp"> & {
  readonly metadata: { readonly namespace: string };
};

export interface CorrelatedEvent {
  readonly operation: "insert" | "patch";
  readonly event: Event;
}

interface Observed {
  name: string;
  count: number;
  firstTimestamp: string;
  /** When it was last told, by the monotonic clock; `undefined`: never. */
  toldAtMs: number | undefined;
}

interface Similar {
  readonly messages: Set<string>;
  atMs: number;
}

/**
 * Keeps events from filling the cluster's store, as a kubelet does: what is said again counts up, what is said in ever
 * new words is told as one, and who talks without end is cut short.
 */
export class EventCorrelator {
  readonly #clock: Clock;
  readonly #observed = new Map<string, Observed>();
  readonly #similar = new Map<string, Similar>();
  readonly #budgets = new Map<string, TokenBucket>();
  #sequence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns what to tell; `undefined`: nothing, this time. */
  correlate(event: NewEvent): CorrelatedEvent | undefined {
    const nowMs = this.#clock.monotonic();
    const { kind, namespace = "", name = "", uid = "", fieldPath = "" } = event.involvedObject;
    const object = [kind, namespace, name, uid].join("\0");
    const group = [object, event.type, event.reason].join("\0");
    const combined = this.#combines(group, event.message ?? "", nowMs);
    const key = combined ? group : [group, fieldPath, event.message].join("\0");
    const message = combined ? `(combined from similar events): ${event.message}` : event.message;

    const now = new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
    const known = this.#observed.get(key);
    const fresh = known?.toldAtMs !== undefined && nowMs - known.toldAtMs > TOLD_MS_MAX;
    const observed: Observed =
      known === undefined || fresh
        ? { name: this.#newName(name), count: 1, firstTimestamp: now, toldAtMs: undefined }
        : { ...known, count: known.count + 1 };
    remember(this.#observed, key, observed);
    const budget =
      this.#budgets.get(`${object}\0${event.type}`) ??
      new TokenBucket(1 / SPAM_REFILL_SECONDS, SPAM_BURST_MAX, this.#clock);
    remember(this.#budgets, `${object}\0${event.type}`, budget);
    if (budget.take() > 0) return undefined;

    const operation = observed.toldAtMs === undefined ? "insert" : "patch";
    observed.toldAtMs = nowMs;
    const { count, firstTimestamp } = observed;
    return {
      operation,
      event: {
        ...event,
        ...(message !== undefined && { message }),
        metadata: { name: observed.name, namespace: event.metadata.namespace },
        count,
        firstTimestamp,
        lastTimestamp: now,
      },
    };
  }

  #combines(group: string, message: string, nowMs: number): boolean {
    const known = this.#similar.get(group);
    const similar: Similar =
      known === undefined || nowMs - known.atMs > SIMILAR_MS ? { messages: new Set(), atMs: nowMs } : known;
    similar.messages.add(message);
    similar.atMs = nowMs;
    remember(this.#similar, group, similar);
    if (similar.messages.size < SIMILAR_MAX) return false;
    for (const oldest of similar.messages) {
      similar.messages.delete(oldest);
      break;
    }
    return true;
  }

  #newName(object: string): string {
    this.#sequence += 1;
    const suffix = BigInt(this.#clock.now()) * 1_000_000n + BigInt(this.#sequence % 1_000_000);
    return `${object}.${suffix.toString(16)}`;
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= REMEMBERED_MAX) return;
  for (const oldest of map.keys()) return void map.delete(oldest);
}
