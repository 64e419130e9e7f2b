import type { FileHandle } from "node:fs/promises";
import { isLaidOutAlike, type LogLine, parseLogLine } from "./log-line.ts";

const BLOCK_BYTES = 64 * 1024;
/** Of the block after it, so that a record's head is whole. */
const OVERLAP_BYTES = 128;
const LINE_FEED = 0x0a;

/**
 * Where the last lines of a log begin; a line that the runtime has cut into several records is one.
 *
 * @param size of the file, up to which is looked.
 */
export async function findTail(file: FileHandle, size: number, lines: number): Promise<number> {
  if (lines === 0) return size;
  const block = Buffer.allocUnsafe(BLOCK_BYTES + OVERLAP_BYTES);
  const partials = new Partials(block);
  let found = 0;
  let lineStart: number | undefined; // of the record that comes after the one we look for
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, Math.min(size, end + OVERLAP_BYTES) - start, start);
    partials.blockIs(bytesRead);
    // What follows each line feed is a record, and so is the beginning of the file.
    for (let at = end - start - 1; at >= 0 || start === 0; at--) {
      at = at < 0 ? -1 : block.lastIndexOf(LINE_FEED, at);
      if (at === -1 && start > 0) break;
      const recordStart = start + at + 1;
      if (recordStart < size) {
        if (lineStart !== undefined && !partials.has(at + 1)) {
          found += 1;
          if (found === lines) return lineStart;
        }
        lineStart = recordStart;
      }
      if (at === -1) break;
    }
    end = start;
  }
  return 0;
}

/** Whether records go on in the next one; most are laid out as their neighbours. */
class Partials {
  readonly #block: Buffer;
  #end = 0;
  #line: LogLine | undefined;
  #lineAt = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  blockIs(bytes: number): void {
    this.#end = bytes;
  }

  has(start: number): boolean {
    const line = this.#line;
    if (line === undefined || !isLaidOutAlike(this.#block, start, this.#end, line, start - this.#lineAt)) {
      this.#line = parseLogLine(this.#block, start, this.#end);
      this.#lineAt = start;
    }
    return this.#line?.partial === true;
  }
}
