const SPACE = 0x20;
const LETTER_P = 0x50;
const LETTER_F = 0x46;
const LETTER_S = 0x73;
const COLON = 0x3a;
/** `stdout`, `stderr` */
const STREAM_CHARS = 6;

/** One record of a log as the runtime writes it: `<time> <stdout|stderr> <P|F> <text>`, without its line feed. */
export interface LogLine {
  /** Where the stream's name begins; what is before, less a space, is the time. */
  readonly streamStart: number;
  /** Where the text begins. */
  readonly textStart: number;
  /** The text goes on in the next record. */
  readonly partial: boolean;
}

/**
 * Whether the record here is laid out as the one before was, so that its parts need not be looked for: times are of one length.
 * An agent that runs bytecode alone spends most of a log's time on looking.
 */
export function isLaidOutAlike(bytes: Uint8Array, start: number, end: number, before: LogLine, moved: number): boolean {
  const stream = before.streamStart + moved;
  const text = before.textStart + moved;
  const tag = text - 2;
  return (
    text <= end &&
    stream > start &&
    bytes[stream - 1] === SPACE &&
    bytes[stream] === LETTER_S &&
    tag - stream === STREAM_CHARS + 1 &&
    bytes[tag - 1] === SPACE &&
    bytes[text - 1] === SPACE &&
    bytes[tag] === (before.partial ? LETTER_P : LETTER_F)
  );
}

/** @returns undefined if it is none: somebody else's, or cut by a crash. */
export function parseLogLine(bytes: Uint8Array, start: number, end: number): LogLine | undefined {
  const afterTime = bytes.indexOf(SPACE, start);
  if (afterTime === -1 || afterTime >= end) return undefined;
  const streamStart = afterTime + 1;
  const afterStream = bytes.indexOf(SPACE, streamStart);
  if (afterStream === -1 || afterStream >= end) return undefined;
  const tagStart = afterStream + 1;
  const found = bytes.indexOf(SPACE, tagStart);
  const afterTag = found === -1 || found >= end ? end : found; // no space: an empty text
  if (afterTag === tagStart) return undefined;
  const next = bytes[tagStart + 1];
  const partial = bytes[tagStart] === LETTER_P && (afterTag === tagStart + 1 || next === COLON);
  return { streamStart, textStart: Math.min(afterTag + 1, end), partial };
}
