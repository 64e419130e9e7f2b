import type { Clock } from "@kedge/runtime";
import { Chore, type ChoreDeps } from "../chore.ts";
import type { RevisionLog } from "./revision-log.ts";
import { RevisionMarks } from "./revision-marks.ts";

export interface CompactionConfig {
  /** So much of the past stays at least watchable, unless there were more than {@link revisionsMax} writes in it. */
  readonly keepMs: number;
  readonly revisionsMax: number;
  readonly intervalMs: number;
}

export const COMPACTION_DEFAULTS: CompactionConfig = { keepMs: 600_000, revisionsMax: 20_000, intervalMs: 10_000 };

/** One transaction drops at most so many revisions, so that writers wait no longer than a moment. */
const SLICE_REVISIONS_MAX = 500;

/** Keeps the log bounded by age and by count. */
export class Compactor extends Chore {
  readonly #log: RevisionLog;
  readonly #config: CompactionConfig;
  readonly #clock: Clock;
  readonly #marks = new RevisionMarks();

  constructor(log: RevisionLog, config: CompactionConfig, deps: ChoreDeps) {
    super(config.intervalMs, "log not compacted, trying again", deps);
    this.#log = log;
    this.#config = config;
    this.#clock = deps.clock;
  }

  protected override async work(): Promise<void> {
    const { keepMs, revisionsMax } = this.#config;
    const nowMs = this.#clock.monotonic();
    const { revision } = this.#log;
    const target = Math.max(revision - revisionsMax, this.#marks.takeUntil(nowMs - keepMs));
    this.#marks.note(nowMs, revision);
    while (!this.signal.aborted) {
      const { compactedRevision } = this.#log;
      if (compactedRevision >= target) return;
      await this.#log.compact(Math.min(target, compactedRevision + SLICE_REVISIONS_MAX));
    }
  }
}
