import type { FileHandle } from "node:fs/promises";
import { parseLogLine } from "./log-line.ts";

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
  let found = 0;
  let lineStart: number | undefined; // of the record that comes after the one we look for
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, Math.min(size, end + OVERLAP_BYTES) - start, start);
    for (let at = end - start - 1; at >= -1; at--) {
      const isStart = at === -1 ? start === 0 : block[at] === LINE_FEED && start + at + 1 < size;
      if (!isStart) continue;
      const record = parseLogLine(block, at + 1, bytesRead);
      if (lineStart !== undefined && record?.partial !== true) {
        found += 1;
        if (found === lines) return lineStart;
      }
      lineStart = start + at + 1;
    }
    end = start;
  }
  return 0;
}
