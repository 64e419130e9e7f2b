import { constants } from "node:fs";
import { chmod, type FileHandle, mkdir, open, realpath, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasErrno } from "@kedge/runtime";
import { bindMount, mountPointsBelow, unmount } from "./run-mount.ts";
import { VolumeError } from "./volume-error.ts";

/** Names a file without opening it: no device, no pipe is touched. Linux' value; Node has no name for it. */
const O_PATH = 0o10_000_000;
const ELEMENTS_MAX = 128;

/** The elements of a mount's `subPath`. @throws VolumeError with kubelet's wording when it could leave the volume. */
export function subPathElements(subPath: string): string[] {
  if (subPath.startsWith("/")) throw refused(`error SubPath \`${subPath}\` must not be an absolute path`);
  const elements = subPath.split("/").filter((element) => element !== "" && element !== ".");
  if (elements.includes("..") || subPath.includes("\0") || elements.length > ELEMENTS_MAX)
    throw refused(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  return elements;
}

/**
 * Binds a part of a volume to `target`, so that the runtime mounts exactly what was checked: a container that swaps
 * directories of its volume for symbolic links cannot make us show it the host.
 *
 * @param base the volume on the host.
 * @param target ours alone; made here, replaced if a former container used it.
 */
export async function bindSubPath(
  base: string,
  elements: readonly string[],
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const handles: FileHandle[] = [];
  try {
    const source = await openBelow(base, elements, handles);
    const isDirectory = (await source.stat()).isDirectory();
    for (const mounted of await mountPointsBelow(target)) await unmount(mounted, signal);
    await rm(target, { recursive: true, force: true });
    await mkdir(isDirectory ? target : dirname(target), { recursive: true, mode: 0o750 });
    if (!isDirectory) await (await open(target, "wx", 0o640)).close();
    await bindMount(`/proc/${process.pid}/fd/${source.fd}`, target, signal);
  } finally {
    for (const handle of handles) await handle.close();
  }
}

/** @param handles gets every handle opened; the caller closes them, after it has used the last. */
async function openBelow(base: string, elements: readonly string[], handles: FileHandle[]): Promise<FileHandle> {
  const realBase = await realpath(base);
  const { mode } = await stat(realBase);
  const { found, missing } = await existingPart(realBase, elements);
  if (found !== realBase && !found.startsWith(`${realBase === "/" ? "" : realBase}/`))
    throw refused("the sub-path leads out of the volume");

  let current = await openNoFollow(realBase, handles);
  const inside = found.slice(realBase.length).split("/");
  for (const element of inside.filter((name) => name !== ""))
    current = await openNoFollow(`/proc/self/fd/${current.fd}/${element}`, handles);
  for (const element of missing) {
    const path = `/proc/self/fd/${current.fd}/${element}`;
    await mkdir(path);
    await chmod(path, mode & 0o7777); // as wide as the volume, whatever the umask says
    current = await openNoFollow(path, handles);
  }
  return current;
}

// Links that stay inside the volume are fine; whether they do is seen once they are resolved.
async function existingPart(base: string, elements: readonly string[]): Promise<{ found: string; missing: string[] }> {
  for (let length = elements.length; length > 0; length -= 1) {
    try {
      const found = await realpath(join(base, ...elements.slice(0, length)));
      return { found, missing: elements.slice(length) };
    } catch (error) {
      if (!hasErrno(error, "ENOENT")) throw error;
    }
  }
  return { found: base, missing: [...elements] };
}

async function openNoFollow(path: string, handles: FileHandle[]): Promise<FileHandle> {
  const handle = await open(path, O_PATH | constants.O_NOFOLLOW);
  handles.push(handle);
  if ((await handle.stat()).isSymbolicLink()) throw refused("the sub-path was replaced by a symbolic link");
  return handle;
}

function refused(message: string): VolumeError {
  return new VolumeError(message, { code: "InvalidVolume" });
}
