import { setTimeout as delay } from "node:timers/promises";
import { KubeletError } from "../server/kubelet-error.ts";
import { findTail } from "./find-tail.ts";
import { LogChanges } from "./log-changes.ts";
import { isWritten, openLog, openNextLog, type OpenLog, reopenLog } from "./log-files.ts";
import { LogFormatter } from "./log-formatter.ts";
import type { LogOptions } from "./log-options.ts";
import { formatPlace, parsePlace } from "./log-place.ts";

const READ_BYTES = 64 * 1024;
/** A runtime cuts lines at 16 KiB; of one beyond this the rest is left out. */
const RECORD_BYTES_MAX = 1024 * 1024;
/** How often a reader that waits for more asks whether the container still runs. */
const ASK_MS = 1_000;
/** When a new file is there, the runtime may still write into the old one for a moment. */
const ROTATION_MS = 100;
const LINE_FEED = 0x0a;

export interface ContainerLog {
  readonly containerId: string;
  readonly path: string;
  /** Whether more may be written. */
  readonly isRunning: (signal: AbortSignal) => Promise<boolean>;
}

export interface LogResume {
  readonly mark: string;
  readonly bytes: number;
}

/** Reads a container's log as a kubelet does: record by record, following it through rotation until the container ends. */
export class LogReader implements AsyncDisposable {
  readonly #log: ContainerLog;
  readonly #options: LogOptions;
  readonly #signal: AbortSignal;
  #open: OpenLog;
  #formatter: LogFormatter;
  /** In the file: where the next record begins. */
  #offset: number;
  #buffer = Buffer.allocUnsafe(READ_BYTES);
  /** Of bytes that may not be sent again. */
  #skip: number;
  #closed = false;

  private constructor(log: ContainerLog, options: LogOptions, signal: AbortSignal, start: Start) {
    this.#log = log;
    this.#options = options;
    this.#signal = signal;
    this.#open = start.open;
    this.#formatter = start.formatter;
    this.#offset = start.offset;
    this.#skip = start.skip;
  }

  /** @throws {KubeletError} `LogGone`: what is asked for has been rotated away. `NotFound`: there is no log yet. */
  static async start(
    log: ContainerLog,
    options: LogOptions,
    resume: LogResume | undefined,
    signal: AbortSignal,
  ): Promise<LogReader> {
    const start = resume === undefined ? await startAnew(log, options) : await startAgain(log, options, resume);
    const reader = new LogReader(log, options, signal, start);
    // A client that leaves before the first byte never lets us begin, nor end.
    const close = () => void reader[Symbol.asyncDispose]();
    signal.addEventListener("abort", close, { once: true });
    if (signal.aborted) close();
    return reader;
  }

  /** Where one can go on after what has been read so far. */
  place(): string {
    const { inode, bornMs } = this.#open;
    const { containerId } = this.#log;
    return formatPlace({
      containerId,
      inode,
      bornMs,
      offset: this.#offset,
      skip: this.#skip,
      ...this.#formatter.state,
    });
  }

  /** @throws {KubeletError} `LogGone`; the signal's reason. */
  async *read(): AsyncGenerator<Uint8Array, void> {
    using changes = this.#options.follow ? new LogChanges(this.#log.path) : undefined;
    try {
      for (;;) {
        yield* this.#readToEnd();
        if (changes === undefined || this.#formatter.full) return;
        // Asked before the last look: what it wrote until then is there.
        const running = await this.#log.isRunning(this.#signal);
        yield* this.#readToEnd();
        yield* this.#followRotation();
        if (!running) return;
        await changes.wait(ASK_MS, this.#signal);
      }
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#open.file.close();
  }

  async *#followRotation(): AsyncGenerator<Uint8Array, void> {
    while (!(await isWritten(this.#log.path, this.#open))) {
      const next = await openNextLog(this.#log.path, this.#open);
      if (next === "none") return;
      if (next === "gone") {
        const current = await openLog(this.#log.path);
        await current?.file.close();
        // Its directory goes with the pod: then this was the end.
        if (current === undefined) return;
        throw gone();
      }
      try {
        await delay(ROTATION_MS, undefined, { signal: this.#signal });
        yield* this.#readToEnd();
      } catch (error) {
        await next.file.close();
        throw error;
      }
      if (this.#closed) {
        await next.file.close();
        return;
      }
      const done = this.#open;
      this.#open = next;
      await done.file.close();
      this.#offset = 0;
      yield* this.#readToEnd();
    }
  }

  /** All whole records that are in the file now. */
  async *#readToEnd(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      this.#signal.throwIfAborted();
      const { bytesRead } = await this.#open.file.read(this.#buffer, 0, this.#buffer.length, this.#offset);
      const end = this.#buffer.lastIndexOf(LINE_FEED, bytesRead - 1) + 1;
      if (bytesRead === 0 || this.#formatter.full) return;
      if (end === 0) {
        if (bytesRead < this.#buffer.length) return; // the record is being written
        if (this.#buffer.length < RECORD_BYTES_MAX) this.#buffer = Buffer.allocUnsafe(this.#buffer.length * 2);
        else this.#offset += bytesRead;
        continue;
      }
      const formatted = this.#formatter.format(this.#buffer.subarray(0, end));
      this.#offset += end;
      const bytes = formatted.subarray(Math.min(this.#skip, formatted.length));
      this.#skip -= formatted.length - bytes.length;
      if (bytes.length > 0) yield bytes;
    }
  }
}

interface Start {
  readonly open: OpenLog;
  readonly formatter: LogFormatter;
  readonly offset: number;
  readonly skip: number;
}

async function startAnew({ path }: ContainerLog, options: LogOptions): Promise<Start> {
  let open = await openLog(path);
  if (open === undefined) {
    await delay(ROTATION_MS); // in the midst of a rotation there is none for a moment
    open = await openLog(path);
  }
  if (open === undefined)
    throw KubeletError.notFound("the container has no log: it has been removed, or never started");
  try {
    const { size } = await open.file.stat();
    const offset = options.tailLines === undefined ? 0 : await findTail(open.file, size, options.tailLines);
    return { open, formatter: new LogFormatter(options), offset, skip: 0 };
  } catch (error) {
    await open.file.close();
    throw error;
  }
}

async function startAgain({ path }: ContainerLog, options: LogOptions, resume: LogResume): Promise<Start> {
  const place = parsePlace(resume.mark);
  if (place === undefined) throw KubeletError.badRequest("the place to go on from makes no sense");
  const open = await reopenLog(path, place);
  if (open === undefined) throw gone();
  return { open, formatter: new LogFormatter(options, place), offset: place.offset, skip: place.skip + resume.bytes };
}

function gone(): KubeletError {
  return KubeletError.logGone(
    "the log was rotated away while it was read: lines in between are lost to this reader; ask again for what is there",
  );
}
