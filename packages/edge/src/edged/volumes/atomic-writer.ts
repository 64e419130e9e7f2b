import { randomBytes } from "node:crypto";
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasErrno } from "@kedge/runtime";
import type { VolumeFile, VolumeFiles } from "./volume-files.ts";

/** The one link that decides what a reader sees. */
const DATA_LINK = "..data";
const NEW_DATA_LINK = "..data_tmp";

/**
 * Makes a directory hold exactly `files`, all at once for whoever looks through `..data`:
 *
 *     config.json -> ..data/config.json      one link for each first element of a path
 *     ..data -> ..2026_01_31_09_30_05.123456789
 *     ..2026_01_31_09_30_05.123456789/config.json
 *
 * @param own called with the new directory before anybody can see it: ownership.
 * @returns whether anything changed; if not, nothing was written.
 * @see Kubernetes' atomic writer: programs watch `..data` for the swap.
 */
export async function writeAtomically(
  directory: string,
  files: VolumeFiles,
  own: (directory: string) => Promise<void> = async () => {},
): Promise<boolean> {
  const previous = await currentVersion(directory);
  const shown = previous === undefined ? undefined : await pathsBelow(join(directory, previous));
  const links = new Set([...files.keys()].map((path) => path.split("/")[0] ?? path));
  if (previous !== undefined && shown !== undefined && (await isCurrent(join(directory, previous), shown, files))) {
    await link(directory, links); // an interrupted first write may have left some out
    return false;
  }

  const version = `..${timestamp()}.${randomBytes(4).readUInt32BE().toString().padStart(9, "0")}`;
  const root = join(directory, version);
  try {
    await mkdir(root);
    await chmod(root, 0o755);
    for (const [path, file] of files) await writeVolumeFile(root, path, file);
    await own(root);
  } catch (error) {
    // On a full disk we shall try again and again, and must not fill it with what never came to be seen.
    await rm(root, { recursive: true, force: true });
    throw error;
  }

  await rm(join(directory, NEW_DATA_LINK), { force: true });
  await symlink(version, join(directory, NEW_DATA_LINK));
  await rename(join(directory, NEW_DATA_LINK), join(directory, DATA_LINK));
  await link(directory, links);

  await removeStale(directory, version, links);
  return true;
}

/** What the volume shows now, by path; empty before its first write. */
export async function readCurrentFiles(directory: string): Promise<Map<string, Buffer>> {
  const version = await currentVersion(directory);
  const files = new Map<string, Buffer>();
  if (version === undefined) return files;
  for (const path of await pathsBelow(join(directory, version)))
    files.set(path, await readFile(join(directory, version, path)));
  return files;
}

async function currentVersion(directory: string): Promise<string | undefined> {
  const version = await targetOf(join(directory, DATA_LINK)); // absent: never written
  return version?.startsWith("..") === true && !version.includes("/") ? version : undefined;
}

async function pathsBelow(root: string, below: string = ""): Promise<string[]> {
  const paths: string[] = [];
  let entries;
  try {
    entries = await readdir(join(root, below), { withFileTypes: true });
  } catch {
    return paths; // the version that `..data` names is gone: everything is written anew
  }
  for (const entry of entries) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) paths.push(...(await pathsBelow(root, path)));
    else paths.push(path);
  }
  return paths;
}

async function isCurrent(root: string, shown: readonly string[], files: VolumeFiles): Promise<boolean> {
  if (shown.length !== files.size) return false;
  for (const path of shown) {
    const file = files.get(path);
    if (file === undefined) return false;
    const absolute = join(root, path);
    const { size, uid } = await lstat(absolute);
    if (size !== file.data.length || (file.uid !== undefined && uid !== file.uid)) return false;
    if (!file.data.equals(await readFile(absolute))) return false;
  }
  return true;
}

async function writeVolumeFile(root: string, path: string, file: VolumeFile): Promise<void> {
  const absolute = join(root, path);
  await mkdir(dirname(absolute), { recursive: true, mode: 0o755 });
  await writeFile(absolute, file.data, { mode: file.mode, flag: "wx" });
  await chmod(absolute, file.mode); // whatever the umask said
  if (file.uid !== undefined) await chown(absolute, file.uid, -1);
}

async function link(directory: string, names: ReadonlySet<string>): Promise<void> {
  for (const name of names) {
    try {
      await symlink(join(DATA_LINK, name), join(directory, name));
    } catch (error) {
      if (!hasErrno(error, "EEXIST")) throw error;
    }
  }
}

// What nobody can reach any more: links of files that are gone, and every older version, torn ones included. Anything
// else, such as a mount point inside the volume, is not ours.
async function removeStale(directory: string, version: string, links: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name === DATA_LINK || name === version || links.has(name)) continue;
    const path = join(directory, name);
    const ours = name.startsWith("..") || (await targetOf(path))?.startsWith(`${DATA_LINK}/`) === true;
    if (ours) await rm(path, { recursive: true, force: true });
  }
}

async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch {
    return undefined; // no link
  }
}

function timestamp(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(/[-:T]/g, "_");
}
