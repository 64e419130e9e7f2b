import { readFile, realpath } from "node:fs/promises";
import { toError } from "@kedge/runtime";
import { runCommand } from "../run-command.ts";
import { UserError } from "../user-error.ts";

/**
 * Unmounts what is mounted below these folders, innermost first.
 *
 * @throws UserError if something stays mounted: whoever then removed the folder would also remove what is shown there, such
 * as a directory of the host that a pod mounts with a `subPath`.
 */
export async function unmountBelow(folders: readonly string[], signal: AbortSignal): Promise<void> {
  const places = await Promise.all(folders.map(realPlace));
  const complaints: string[] = [];
  for (const point of (await mountPointsBelow(places)).toReversed()) {
    const { code, stderr } = await runCommand(["umount", "--lazy", "--no-canonicalize", "--", point], signal);
    if (code !== 0) complaints.push(stderr.trim());
  }
  const [left] = await mountPointsBelow(places);
  if (left !== undefined)
    throw new UserError(`${left} cannot be unmounted: ${complaints.join("; ")}. Unmount it, then try again.`, "mounts");
}

/** The kernel lists mounts by the paths that symbolic links lead to. */
async function realPlace(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return folder; // then nothing is below it
    throw new UserError(`cannot look for mounts below ${folder}: ${toError(error).message}`, "mounts", {
      cause: error,
    });
  }
}

async function mountPointsBelow(folders: readonly string[]): Promise<string[]> {
  return (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll(/\\(\d{3})/g, (_, octal: string) => octalChar(octal)))
    .filter((point) => folders.some((folder) => point.startsWith(`${folder}/`)));
}

function octalChar(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}
