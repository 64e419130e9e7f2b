import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";
import { hasErrno } from "@kedge/runtime";
import type { VolumeUsage } from "./pod-usage.ts";

/** Files looked at in one directory tree; a tree with more is said to hold what was counted until then. */
const ENTRIES_MAX = 1_000_000;
const BLOCK_BYTES = 512;

/**
 * What the files below a directory take on disk, as du(1) counts: blocks, not lengths, and a file of several names
 * once. Other file systems mounted there are left out. What goes away meanwhile does not count.
 */
export async function directoryUsage(directory: string, signal: AbortSignal): Promise<VolumeUsage> {
  const seen = new Set<number>();
  let [bytes, inodes, entries] = [0, 0, 0];
  let device: number | undefined;
  const open = [directory];
  for (let path = open.pop(); path !== undefined && entries < ENTRIES_MAX; path = open.pop()) {
    signal.throwIfAborted();
    const stats = await present(lstat(path));
    if (stats === undefined) continue;
    device ??= stats.dev;
    if (stats.dev !== device) continue;
    entries += 1;
    if (stats.nlink > 1 && !stats.isDirectory()) {
      if (seen.has(stats.ino)) continue;
      seen.add(stats.ino);
    }
    bytes += stats.blocks * BLOCK_BYTES;
    inodes += 1;
    if (!stats.isDirectory()) continue;
    const listing = await present(opendir(path));
    if (listing === undefined) continue;
    for await (const entry of listing) open.push(join(path, entry.name));
  }
  return { bytes, inodes };
}

async function present<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}
