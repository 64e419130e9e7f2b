import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const TAIL_BYTES_MAX = 64 * 1024;
const TAIL_LINES_MAX = 40;

/** The last lines of a file; empty if it cannot be read. */
export function logTail(file: string): string {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return "";
  }
  try {
    const { size } = fstatSync(fd);
    const length = Math.min(size, TAIL_BYTES_MAX);
    const bytes = Buffer.alloc(length);
    readSync(fd, bytes, 0, length, size - length);
    return bytes.toString("utf8").trimEnd().split("\n").slice(-TAIL_LINES_MAX).join("\n");
  } finally {
    closeSync(fd);
  }
}
