import { isLaidOutAlike, type LogLine, parseLogLine } from "./log-line.ts";
import type { LogOptions } from "./log-options.ts";

const LINE_FEED = 0x0a;
/** `stdout` and `stderr` are told apart by the fourth letter. */
const STREAM_LETTER = 3;
const STREAM_LETTERS = { stdout: 0x6f, stderr: 0x65 } as const;

/** Where a formatter stands, besides its place in the file. */
export interface FormatterState {
  /** The last record had no end of line. */
  readonly midLine: boolean;
  /** The first line of the time asked for has been seen: what follows is later. */
  readonly since: boolean;
  /** Bytes that may still be sent. */
  readonly left: number | undefined;
}

/** Makes of the runtime's records what the container wrote; the same records always give the same bytes. */
export class LogFormatter {
  readonly #options: LogOptions;
  #midLine: boolean;
  #since: boolean;
  #left: number;

  constructor(options: LogOptions, state?: FormatterState) {
    this.#options = options;
    this.#midLine = state?.midLine ?? false;
    this.#since = state?.since ?? options.sinceMs === undefined;
    this.#left = state?.left ?? options.limitBytes ?? Infinity;
  }

  get state(): FormatterState {
    const left = this.#left === Infinity ? undefined : this.#left;
    return { midLine: this.#midLine, since: this.#since, left };
  }

  /** No more may be sent. */
  get full(): boolean {
    return this.#left <= 0;
  }

  /** @param bytes whole records with their line feeds. */
  format(bytes: Buffer): Uint8Array {
    // Without time and tag a record is shorter; with its time it is no longer than before.
    const out = Buffer.allocUnsafe(bytes.length);
    let length = 0;
    let line: LogLine | undefined;
    let lineAt = 0;
    for (let start = 0; start < bytes.length && length < this.#left;) {
      const found = bytes.indexOf(LINE_FEED, start);
      const end = found === -1 ? bytes.length : found;
      if (line === undefined || !isLaidOutAlike(bytes, start, end, line, start - lineAt)) {
        line = parseLogLine(bytes, start, end);
        lineAt = start;
      }
      if (line !== undefined) length = this.#line(bytes, start, end, line, start - lineAt, out, length);
      start = end + 1;
    }
    const sent = Math.min(length, this.#left);
    this.#left -= sent;
    return out.subarray(0, sent);
  }

  /** @param moved how much further than `line` says the record is. */
  #line(
    bytes: Buffer,
    start: number,
    end: number,
    { streamStart, textStart, partial }: LogLine,
    moved: number,
    out: Buffer,
    at: number,
  ): number {
    const stream = streamStart + moved;
    const text = textStart + moved;
    const { stream: wanted, timestamps } = this.#options;
    if (wanted !== undefined && bytes[stream + STREAM_LETTER] !== STREAM_LETTERS[wanted]) return at;
    if (!this.#since && !this.#isSince(bytes.subarray(start, stream - 1))) return at;
    let next = at;
    if (timestamps && !this.#midLine) next += bytes.copy(out, next, start, stream);
    next += bytes.copy(out, next, text, end);
    this.#midLine = partial;
    if (!partial) {
      out[next] = LINE_FEED;
      next += 1;
    }
    return next;
  }

  #isSince(time: Uint8Array): boolean {
    const ms = Date.parse(Buffer.from(time.buffer, time.byteOffset, time.length).toString("latin1"));
    return (this.#since = ms >= (this.#options.sinceMs ?? 0));
  }
}
