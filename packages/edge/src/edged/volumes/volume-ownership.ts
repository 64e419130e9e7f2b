import { chmod, lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** The group may read files, and enter directories; what is made in those belongs to the group. */
const FILE_BITS = 0o440;
const DIRECTORY_BITS = 0o2550;

/** Gives files that we wrote for a pod to its `fsGroup`. */
export async function ownByGroup(path: string, group: number): Promise<void> {
  const stat = await lstat(path);
  await lchown(path, -1, group);
  if (stat.isSymbolicLink()) return;
  await chmod(path, (stat.mode & 0o7777) | (stat.isDirectory() ? DIRECTORY_BITS : FILE_BITS));
  if (!stat.isDirectory()) return;
  for (const name of await readdir(path)) await ownByGroup(join(path, name), group);
}
