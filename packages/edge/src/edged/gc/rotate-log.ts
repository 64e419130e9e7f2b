import { createReadStream, createWriteStream } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

export interface LogRotation {
  /** `containerLogMaxSize`, in bytes */
  readonly sizeMax: number;
  /** `containerLogMaxFiles`: of one container, the one that is written to among them. */
  readonly filesMax: number;
}

const UNFINISHED = ".tmp";
const COMPRESSED = ".gz";

/**
 * Rotates one container's log: removes the oldest parts, compresses the others, and renames what is written to. Log
 * collectors have until the next rotation to read to the end of what was renamed last: it is not compressed before.
 *
 * @param reopen makes the runtime go on in a new file; if it cannot, all is as before.
 * @param nowMs wall clock: names the part.
 * @throws whatever the file system or the runtime says.
 */
export async function rotateLog(
  logPath: string,
  { filesMax }: LogRotation,
  reopen: () => Promise<void>,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const directory = dirname(logPath);
  const prefix = `${basename(logPath)}.`;
  const names = (await readdir(directory)).filter((name) => name.startsWith(prefix));
  const { remove, compress } = planRotation(names, filesMax);
  for (const name of remove) await rm(join(directory, name), { force: true });
  for (const name of compress) await compressFile(join(directory, name), signal);

  const rotated = `${logPath}.${timestamp(nowMs)}`;
  // Twice in one second would write over the first; the next look comes soon.
  if (names.some((name) => name.startsWith(basename(rotated)))) return;
  await rename(logPath, rotated);
  try {
    await reopen();
  } catch (error) {
    await rename(rotated, logPath);
    throw error;
  }
}

/**
 * What to do with a log's former parts before the next one is made.
 *
 * @param names `0.log.20260102-150405`, `….gz`, and `….tmp` of a compression that was cut short.
 */
export function planRotation(
  names: readonly string[],
  filesMax: number,
): { readonly remove: string[]; readonly compress: string[] } {
  const isUseless = (name: string) => name.endsWith(UNFINISHED) || names.includes(`${name}${COMPRESSED}`);
  const useless = names.filter(isUseless);
  const parts = names.filter((name) => !isUseless(name)).toSorted();
  const kept = Math.max(0, filesMax - 2); // beside the one that is made now, and the one that will be written to
  const excess = parts.slice(0, Math.max(0, parts.length - kept));
  const compress = parts.filter((name) => !excess.includes(name) && !name.endsWith(COMPRESSED));
  return { remove: [...useless, ...excess], compress };
}

async function compressFile(path: string, signal: AbortSignal): Promise<void> {
  const unfinished = `${path}${UNFINISHED}`;
  try {
    const { mode } = await stat(path);
    await pipeline(createReadStream(path), createGzip(), createWriteStream(unfinished, { mode }), { signal });
    await rename(unfinished, `${path}${COMPRESSED}`);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  await rm(path, { force: true });
}

/** `20060102-150405`; UTC, so that a part never seems older than those before it. */
function timestamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
}
