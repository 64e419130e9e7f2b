import { chmod, lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Read and write for the group; a read-only volume: read alone. */
const FILE_BITS = { writable: 0o660, readOnly: 0o440 };
/** A directory must be entered, too, and what is made in it belongs to the group. */
const DIRECTORY_BITS = 0o2110;

/**
 * Gives a volume to a pod's `fsGroup`, all that is in it included.
 *
 * @param readOnly for volumes whose files we write (ConfigMaps, …).
 */
export async function ownByGroup(path: string, group: number, readOnly: boolean): Promise<void> {
  const stat = await lstat(path);
  await lchown(path, -1, group);
  if (stat.isSymbolicLink()) return;
  const bits = readOnly ? FILE_BITS.readOnly : FILE_BITS.writable;
  await chmod(path, (stat.mode & 0o7777) | bits | (stat.isDirectory() ? DIRECTORY_BITS : 0));
  if (!stat.isDirectory()) return;
  for (const name of await readdir(path)) await ownByGroup(join(path, name), group, readOnly);
}
