import { readFileSync, realpathSync } from "node:fs";
import { KeadmError } from "../keadm-error.ts";
import { runCommand } from "./run-command.ts";

/**
 * Unmounts what is mounted below these folders, innermost first.
 *
 * @throws KeadmError if something stays mounted: whoever then removed the folder would also remove what is shown there, such
 * as a directory of the host that a pod mounts with a `subPath`.
 */
export async function unmountBelow(folders: readonly string[], signal: AbortSignal): Promise<void> {
  const places = folders.map(realPlace);
  const complaints: string[] = [];
  for (const point of mountPointsBelow(places).toReversed()) {
    const { code, stderr } = await runCommand(["umount", "--lazy", "--no-canonicalize", "--", point], signal);
    if (code !== 0) complaints.push(stderr.trim());
  }
  const [left] = mountPointsBelow(places);
  if (left !== undefined)
    throw new KeadmError(
      "Busy",
      left,
      `${left} cannot be unmounted (${complaints.join("; ")}): unmount it, then try again`,
    );
}

/** The kernel lists mounts by the paths that symbolic links lead to. */
function realPlace(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder; // not there: then nothing is below it
  }
}

function mountPointsBelow(folders: readonly string[]): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll(/\\(\d{3})/g, (_, octal: string) => octalChar(octal)))
    .filter((point) => folders.some((folder) => point.startsWith(`${folder}/`)));
}

function octalChar(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}
