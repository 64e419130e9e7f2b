import { EVENTS } from "@kedge/kube";
import type { Clock } from "@kedge/runtime";
import { Chore, type ChoreDeps } from "../chore.ts";
import { keyPrefix } from "./object-key.ts";
import type { RevisionLog } from "./revision-log.ts";
import { RevisionMarks } from "./revision-marks.ts";

export interface EventExpiryConfig {
  /** An event that nobody has changed for so long goes. */
  readonly keepMs: number;
  /** Beyond this many the ones longest unchanged go earlier. */
  readonly eventsMax: number;
  readonly intervalMs: number;
}

export const EVENT_EXPIRY_DEFAULTS: EventExpiryConfig = { keepMs: 3_600_000, eventsMax: 5_000, intervalMs: 60_000 };

/** Events removed in one transaction. */
const SLICE_EVENTS_MAX = 200;

/** Events are news, not state: they go after an hour, so that they do not pile up. */
export class EventExpiry extends Chore {
  readonly #log: RevisionLog;
  readonly #config: EventExpiryConfig;
  readonly #clock: Clock;
  /** A restart begins the hour anew. */
  readonly #marks = new RevisionMarks();

  constructor(log: RevisionLog, config: EventExpiryConfig, deps: ChoreDeps) {
    super(config.intervalMs, "old events not removed, trying again", deps);
    this.#log = log;
    this.#config = config;
    this.#clock = deps.clock;
  }

  protected override async work(): Promise<void> {
    const { keepMs, eventsMax } = this.#config;
    const nowMs = this.#clock.monotonic();
    const upTo = this.#marks.takeUntil(nowMs - keepMs);
    this.#marks.note(nowMs, this.#log.revision);
    await this.#remove(upTo, Infinity);
    await this.#remove(this.#log.revision, this.#log.count(keyPrefix(EVENTS)) - eventsMax);
  }

  /** Removes those last changed at `upTo` or before, at most `count`, oldest first. */
  async #remove(upTo: number, count: number): Promise<void> {
    for (let left = count; left > 0 && !this.signal.aborted;) {
      const keys = this.#log.unchangedSince(upTo, keyPrefix(EVENTS), Math.min(left, SLICE_EVENTS_MAX));
      if (keys.length === 0) return;
      await this.#log.write((writer) => {
        for (const key of keys) if (writer.get(key) !== undefined) writer.delete(key);
      });
      left -= keys.length;
    }
  }
}
