import { Component, type Clock, isAbort, type Logger, toError } from "@kedge/runtime";
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
export class Compactor extends Component {
  readonly #log: RevisionLog;
  readonly #config: CompactionConfig;
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  readonly #marks = new RevisionMarks();
  readonly #loop: Promise<void>;

  constructor(log: RevisionLog, config: CompactionConfig, deps: { readonly clock: Clock; readonly logger: Logger }) {
    super();
    this.#log = log;
    this.#config = config;
    this.#deps = deps;
    this.#loop = this.#run();
  }

  protected override async stop(): Promise<void> {
    await this.#loop;
  }

  async #run(): Promise<void> {
    try {
      while (true) {
        await this.#deps.clock.sleep(this.#config.intervalMs, this.signal);
        await this.#compact().catch((error: unknown) => {
          this.#deps.logger.warn({ error: toError(error) }, "log not compacted, trying again");
        });
      }
    } catch (error) {
      if (!isAbort(error, this.signal)) throw error;
    }
  }

  async #compact(): Promise<void> {
    const { keepMs, revisionsMax } = this.#config;
    const nowMs = this.#deps.clock.monotonic();
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
