import type { Stats } from "node:fs";
import { chmod, lchown, lstat, opendir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { hasErrno } from "@kedge/runtime";

/** The group may read files, and enter directories; what is made in those belongs to the group. */
const FILE_BITS = 0o440;
const DIRECTORY_BITS = 0o2550;
/** As above, where the group may write, too. */
const WRITABLE_FILE_BITS = 0o660;
const WRITABLE_DIRECTORY_BITS = 0o2770;

/** Gives files that we wrote for a pod to its `fsGroup`. */
export async function ownByGroup(path: string, group: number): Promise<void> {
  const stat = await lstat(path);
  await lchown(path, -1, group);
  if (stat.isSymbolicLink()) return;
  await chmod(path, (stat.mode & 0o7777) | (stat.isDirectory() ? DIRECTORY_BITS : FILE_BITS));
  if (!stat.isDirectory()) return;
  for (const name of await readdir(path)) await ownByGroup(join(path, name), group);
}

/**
 * Gives what a volume holds to the pod's `fsGroup`, as a kubelet does; there may be much of it.
 *
 * @param policy `fsGroupChangePolicy`. `OnRootMismatch`: nothing is done where the volume's root is the group's already;
 *   the root comes last, so that a walk that was cut off is repeated.
 */
export async function giveToGroup(
  root: string,
  group: number,
  policy: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const stat = await lstat(root);
  if (policy === "OnRootMismatch" && belongsTo(stat, group)) return;
  await giveContents(root, group, signal);
  await give(root, stat, group);
}

async function giveContents(directory: string, group: number, signal: AbortSignal): Promise<void> {
  for await (const { name } of await opendir(directory)) {
    signal.throwIfAborted();
    const path = join(directory, name);
    const stat = await lstat(path).catch(ifGone);
    if (stat === undefined) continue;
    if (stat.isDirectory()) await giveContents(path, group, signal).catch(ifGone);
    await give(path, stat, group).catch(ifGone);
  }
}

async function give(path: string, stat: Stats, group: number): Promise<void> {
  if (belongsTo(stat, group)) return;
  await lchown(path, stat.uid, group);
  if (stat.isSymbolicLink()) return; // it has no mode of its own
  await chmod(path, (stat.mode & 0o7777) | bitsFor(stat));
}

function belongsTo(stat: Stats, group: number): boolean {
  const bits = stat.isSymbolicLink() ? 0 : bitsFor(stat);
  return stat.gid === group && (stat.mode & bits) === bits;
}

function bitsFor(stat: Stats): number {
  return stat.isDirectory() ? WRITABLE_DIRECTORY_BITS : WRITABLE_FILE_BITS;
}

/** Another pod may use the volume meanwhile. */
function ifGone(error: unknown): undefined {
  if (hasErrno(error, "ENOENT")) return undefined;
  throw error;
}
