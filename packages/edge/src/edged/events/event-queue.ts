import type { Event } from "@kedge/kube";
import { type Clock, hasCode, type Logger, toError, TokenBucket } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import type { CorrelatedEvent } from "./event-correlator.ts";

/** Events that wait to be handed on; more drop the oldest. Once handed on they are on disk until the cloud has them. */
const EVENTS_WAITING_MAX = 1_000;
/** On their way to the disk at once: they keep their order, and share a write. */
const UNDER_WAY_MAX = 8;

/** Pods come to life before the agent's last part has started, which carries events: that is waited for. */
const START_WAIT_MS = 250;
const START_TRIES_MAX = 240;

export interface EventQueueDeps {
  readonly bus: EdgeBus;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface EventRate {
  /** `eventRecordQPS`; 0: as many as there are. */
  readonly perSecond: number;
  /** `eventBurst` */
  readonly burst: number;
}

/** Hands events on in order. What changes while it still waits is told once, as it then is. */
export class EventQueue {
  readonly #deps: EventQueueDeps;
  readonly #signal: AbortSignal;
  readonly #rate: TokenBucket;
  readonly #waiting = new Map<string, CorrelatedEvent>();
  readonly #underWay = new Set<Promise<void>>();
  #sending = false;

  constructor(rate: EventRate, deps: EventQueueDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#rate = new TokenBucket(rate.perSecond, rate.burst, deps.clock);
  }

  push({ operation, event }: CorrelatedEvent): void {
    const name = `${event.metadata.namespace}/${event.metadata.name}`;
    const before = this.#waiting.get(name);
    this.#waiting.set(name, { operation: before?.operation ?? operation, event }); // keeps its place
    if (this.#waiting.size > EVENTS_WAITING_MAX)
      for (const oldest of this.#waiting.keys()) {
        this.#waiting.delete(oldest);
        break;
      }
    if (!this.#sending) void this.#send();
  }

  async #send(): Promise<void> {
    this.#sending = true;
    const { clock, logger } = this.#deps;
    try {
      for (const name of this.#waiting.keys()) {
        for (let ms = this.#rate.take(); ms > 0; ms = this.#rate.take()) await clock.sleep(ms, this.#signal);
        const waiting = this.#waiting.get(name); // as it is by now
        this.#waiting.delete(name);
        if (waiting === undefined) continue; // dropped meanwhile
        const handed = this.#hand(waiting).finally(() => this.#underWay.delete(handed));
        this.#underWay.add(handed);
        while (this.#underWay.size >= UNDER_WAY_MAX) await Promise.race(this.#underWay);
      }
    } catch (error) {
      if (!this.#signal.aborted) logger.error({ error: toError(error) }, "events are not sent any more");
    } finally {
      this.#sending = false;
    }
  }

  async #hand(waiting: CorrelatedEvent): Promise<void> {
    const { bus, clock, logger } = this.#deps;
    for (let tries = 1; ; tries += 1)
      try {
        return await bus.request("meta/sendEvent", requestOf(waiting), this.#signal);
      } catch (error) {
        if (this.#signal.aborted) return;
        if (!hasCode(error, "NoAnswerer") || tries === START_TRIES_MAX)
          return logger.debug({ error: toError(error) }, "event not sent");
        await clock.sleep(START_WAIT_MS, this.#signal).catch(() => undefined);
      }
  }
}

function requestOf({ operation, event }: CorrelatedEvent): {
  operation: "insert" | "patch";
  event: Event;
  patch?: string;
} {
  if (operation === "insert") return { operation, event };
  const { count, lastTimestamp, message } = event;
  return { operation, event, patch: JSON.stringify({ count, lastTimestamp, message }) };
}
