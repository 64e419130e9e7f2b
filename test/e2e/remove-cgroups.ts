import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";

const MOUNTS = "/sys/fs/cgroup";

/** Removes a cgroup tree from every hierarchy; its processes must have ended. */
export async function removeCgroups(cgroup: string): Promise<void> {
  const hierarchies = await readdir(MOUNTS).catch(() => []);
  for (const root of [MOUNTS, ...hierarchies.map((name) => join(MOUNTS, name))]) await removeTree(join(root, cgroup));
}

async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return;
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  await rmdir(folder);
}
