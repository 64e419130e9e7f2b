const SPACE = 0x20;
const LETTER_P = 0x50;
const COLON = 0x3a;

/** One record of a log as the runtime writes it: `<time> <stdout|stderr> <P|F> <text>`, without its line feed. */
export interface LogLine {
  /** Where the stream's name begins; what is before, less a space, is the time. */
  readonly streamStart: number;
  /** Where the text begins. */
  readonly textStart: number;
  /** The text goes on in the next record. */
  readonly partial: boolean;
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
