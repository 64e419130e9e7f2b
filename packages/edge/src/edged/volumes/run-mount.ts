import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { toError } from "@kedge/runtime";
import { unescapeMountPath } from "../resources/cgroup-hierarchies.ts";
import { VolumeError } from "./volume-error.ts";

const run = promisify(execFile);
const MOUNT_TIMEOUT_MS = 30_000;

/** Mounts an empty file system in memory. @param options such as `size=1024`, `mode=1777`. @throws VolumeError */
export async function mountTmpfs(target: string, options: readonly string[], signal: AbortSignal): Promise<void> {
  await mount(["-t", "tmpfs", "-o", ["rw", ...options].join(","), "tmpfs", target], target, signal);
}

/**
 * Shows `source` at `target`, too. The caller has resolved both: neither is looked up through symbolic links again.
 *
 * @param options such as `ro`. @throws VolumeError
 */
export async function bindMount(
  source: string,
  target: string,
  signal: AbortSignal,
  options: readonly string[] = [],
): Promise<void> {
  await mount(["--no-canonicalize", "--bind", "--", source, target], target, signal);
  if (options.length === 0) return;
  try {
    // The first mount takes its options from the source's.
    const words = ["--no-canonicalize", "-o", ["remount", "bind", ...options].join(","), "--", target];
    await mount(words, target, signal);
  } catch (error) {
    await unmount(target, AbortSignal.timeout(MOUNT_TIMEOUT_MS)); // nobody may take it for what was asked
    throw error;
  }
}

/** Mounts a file system of this type. @param source a device, or what the type calls one. @throws VolumeError */
export async function mountFilesystem(
  type: string,
  source: string,
  target: string,
  options: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await mount(
    ["-t", type, ...(options.length > 0 ? ["-o", options.join(",")] : []), "--", source, target],
    target,
    signal,
  );
}

/** Unmounts whatever is mounted there. @throws VolumeError `VolumeBusy` */
export async function unmount(target: string, signal: AbortSignal): Promise<void> {
  try {
    await run("umount", ["--no-canonicalize", "--", target], { timeout: MOUNT_TIMEOUT_MS, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(await mountPointsBelow(target)).includes(target)) return; // somebody was faster
    throw new VolumeError(`cannot unmount ${target}: ${reason(error)}`, { code: "VolumeBusy" }, { cause: error });
  }
}

/** What is mounted at `directory` or below it, deepest first; one entry for each mount. */
export async function mountPointsBelow(directory: string): Promise<string[]> {
  const points: string[] = [];
  for (const line of (await readFile("/proc/self/mountinfo", "utf8")).split("\n")) {
    const point = unescapeMountPath(line.split(" ")[4] ?? "");
    if (point === directory || point.startsWith(`${directory}/`)) points.push(point);
  }
  return points.sort((a, b) => b.length - a.length);
}

async function mount(words: readonly string[], target: string, signal: AbortSignal): Promise<void> {
  try {
    await run("mount", words, { timeout: MOUNT_TIMEOUT_MS, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new VolumeError(`cannot mount ${target}: ${reason(error)}`, { code: "MountFailed" }, { cause: error });
  }
}

function reason(error: unknown): string {
  const text =
    error instanceof Error && "stderr" in error && typeof error.stderr === "string" ? error.stderr.trim() : "";
  return text === "" ? toError(error).message : text;
}
