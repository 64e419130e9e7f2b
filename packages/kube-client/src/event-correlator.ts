import type { Event } from "@kedge/kube";
import type { Clock } from "@kedge/runtime";

/** Events remembered in order to count their repetitions; the longest unused is forgotten. */
const REMEMBERED_MAX = 4_096;
const COUNTED_FOR_MS = 10 * 60_000;
/** As in Kubernetes: an object may have this many events at once, then one in five minutes. */
const OBJECT_BURST = 25;
const OBJECT_REFILL_MS = 5 * 60_000;

interface Counted {
  readonly name: string;
  readonly firstTimestamp: string | undefined;
  readonly lastAt: number;
  readonly count: number;
}

interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

/** Decides whether an event is new, a repetition of an earlier one, or one too many. */
export class EventCorrelator {
  readonly #clock: Clock;
  readonly #counted = new Map<string, Counted>();
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns the event to send, named and counted (`count` > 1: patch the one of that name); undefined: be silent. */
  correlate(event: Event): Event | undefined {
    const { uid = "", kind = "", namespace = "", name: involved = "" } = event.involvedObject;
    const object = `${kind}/${namespace}/${involved}/${uid}`;
    if (!this.#mayPass(`${object}/${event.source?.component ?? ""}`)) return undefined;
    const key = `${object}/${event.type}/${event.reason}/${event.message}`;
    const now = this.#clock.monotonic();
    const before = this.#counted.get(key);
    this.#counted.delete(key);
    const again = before !== undefined && now - before.lastAt < COUNTED_FOR_MS;
    const counted: Counted = again
      ? { ...before, lastAt: now, count: before.count + 1 }
      : { name: this.#nameFor(involved), firstTimestamp: event.firstTimestamp, lastAt: now, count: 1 };
    remember(this.#counted, key, counted);
    return {
      ...event,
      metadata: { ...event.metadata, name: counted.name },
      count: counted.count,
      ...(counted.firstTimestamp === undefined ? {} : { firstTimestamp: counted.firstTimestamp }),
    };
  }

  #mayPass(source: string): boolean {
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(source) ?? { tokens: OBJECT_BURST, at: now };
    const tokens = Math.min(OBJECT_BURST, bucket.tokens + (now - bucket.at) / OBJECT_REFILL_MS);
    this.#buckets.delete(source);
    remember(this.#buckets, source, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    return tokens >= 1;
  }

  /** Unique without asking anybody; the object's name comes first, as users sort by it. */
  #nameFor(involved: string): string {
    const unique = `${this.#clock.now().toString(16)}${Math.floor(Math.random() * 0xffff_ffff)
      .toString(16)
      .padStart(8, "0")}`;
    return `${involved.slice(0, 200).replace(/[-.]+$/, "")}.${unique}`;
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value);
  if (map.size <= REMEMBERED_MAX) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
