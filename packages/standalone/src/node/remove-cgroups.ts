import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";

const MOUNTS = "/sys/fs/cgroup";

/**
 * Removes a cgroup tree from every hierarchy; one that is not there is removed.
 *
 * @throws EBUSY while a process of it lives.
 */
export async function removeCgroups(cgroup: string): Promise<void> {
  const hierarchies = await readdir(MOUNTS).catch(() => []);
  const roots = [MOUNTS, ...hierarchies.map((name) => join(MOUNTS, name))];
  const outcomes = await Promise.allSettled(roots.map((root) => removeTree(join(root, cgroup))));
  const failed = outcomes.find(({ status }) => status === "rejected"); // the others are removed all the same
  if (failed?.status === "rejected") throw failed.reason;
}

async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return;
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  await rmdir(folder);
}
