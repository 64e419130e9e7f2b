import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hasErrno } from "@kedge/runtime";

/** Rotated files that are looked at; a kubelet keeps 5. */
const FILES_MAX = 1_000;

/** One file, whatever its name has become. */
export interface LogFileId {
  /** A number that another file may get later: so the time of birth belongs to it. */
  readonly inode: string;
  readonly bornMs: number;
}

export interface OpenLog extends LogFileId {
  readonly file: FileHandle;
}

/** @returns undefined if there is no such file. */
export async function openLog(path: string): Promise<OpenLog | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  const { ino, birthtimeMs } = await file.stat({ bigint: true });
  return { file, inode: String(ino), bornMs: Number(birthtimeMs) };
}

/** Whether this is the file that is written, under the log's own name. */
export async function isWritten(path: string, { inode }: LogFileId): Promise<boolean> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return String(found?.ino) === inode;
}

/** Oldest first: what rotation has put aside uncompressed, then the file that is written. */
async function logPaths(path: string): Promise<string[]> {
  const name = basename(path);
  const names = await readdir(dirname(path)).catch(() => []);
  const rotated = names
    .filter((other) => other.startsWith(`${name}.`) && !/\.(gz|tmp)$/.test(other))
    .sort()
    .slice(-FILES_MAX);
  return [...rotated.map((other) => join(dirname(path), other)), path];
}

/** Opens the file that has this identity. @returns undefined if it has been removed or compressed. */
export async function reopenLog(path: string, id: LogFileId): Promise<OpenLog | undefined> {
  for (const other of await logPaths(path)) {
    const log = await openLog(other);
    if (log === undefined) continue;
    if (isSame(log, id)) return log;
    await log.file.close();
  }
  return undefined;
}

/**
 * Opens the file that was begun after this one.
 *
 * @returns `"none"`: this is the newest. `"gone"`: this one is not there any more, and nobody can tell which came next.
 */
export async function openNextLog(path: string, id: LogFileId): Promise<OpenLog | "none" | "gone"> {
  let found = false;
  for (const other of await logPaths(path)) {
    const log = await openLog(other);
    if (log === undefined) continue;
    if (found) return log;
    found = isSame(log, id);
    await log.file.close();
  }
  return found ? "none" : "gone";
}

function isSame(one: LogFileId, other: LogFileId): boolean {
  return one.inode === other.inode && one.bornMs === other.bornMs;
}
