import { stat } from "node:fs/promises";
import { hasErrno, isAbort, toError } from "@kedge/runtime";
import type { EdgedParts } from "../edged-parts.ts";
import { PullGate } from "../images/pull-gate.ts";
import type { LogRotation } from "./rotate-log.ts";

export interface LogRotatorConfig extends LogRotation {
  /** `containerLogMaxWorkers`: logs rotated at once. */
  readonly workersMax: number;
  /** `containerLogMonitorInterval` */
  readonly intervalMs: number;
}

/** A container that runs, and writes this log. */
export interface WrittenLog {
  readonly containerId: string;
  readonly logPath: string;
}

/** Keeps containers' logs from filling the disk. */
export class LogRotator {
  readonly #config: LogRotatorConfig;
  readonly #parts: Pick<EdgedParts, "cri" | "clock" | "logger">;
  readonly #logs: () => readonly WrittenLog[];

  constructor(
    config: LogRotatorConfig,
    parts: Pick<EdgedParts, "cri" | "clock" | "logger">,
    logs: () => readonly WrittenLog[],
  ) {
    this.#config = config;
    this.#parts = parts;
    this.#logs = logs;
  }

  /** Rotates until `signal` aborts, and rejects with its reason then. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, sizeMax } = this.#config;
    if (sizeMax < 0) return; // switched off
    for (;;) {
      await this.#parts.clock.sleep(intervalMs, signal);
      await this.rotateAll(signal);
    }
  }

  async rotateAll(signal: AbortSignal): Promise<void> {
    const gate = new PullGate(this.#config.workersMax);
    await Promise.all(this.#logs().map((log) => gate.run(() => this.#rotate(log, signal), signal)));
  }

  async #rotate({ containerId, logPath }: WrittenLog, signal: AbortSignal): Promise<void> {
    const { cri, clock, logger } = this.#parts;
    const reopen = () => cri.runtime.reopenContainerLog(containerId, signal);
    try {
      const size = await sizeOf(logPath);
      // We were stopped between renaming and reopening, or somebody has removed it: its writer must be told.
      if (size === undefined) await reopen();
      else if (size >= this.#config.sizeMax) {
        const { rotateLog } = await import("./rotate-log.ts"); // on many nodes no log ever grows so large
        await rotateLog(logPath, this.#config, reopen, clock.now(), signal);
      }
    } catch (error) {
      if (isAbort(error, signal) || signal.aborted) throw error;
      logger.warn({ containerId, logPath, error: toError(error) }, "container log not rotated");
    }
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
