import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";

const MOUNTS = "/sys/fs/cgroup";

/** Removes a cgroup tree from every hierarchy, as far as no process lives in it. */
export function removeCgroups(cgroup: string): void {
  if (!existsSync(MOUNTS)) return;
  for (const root of [MOUNTS, ...readdirSync(MOUNTS).map((name) => join(MOUNTS, name))]) removeTree(join(root, cgroup));
}

function removeTree(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    rmdirSync(folder);
  } catch {
    // not there, or in use: not ours to end
  }
}
