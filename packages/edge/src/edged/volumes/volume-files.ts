import { VolumeError } from "./volume-error.ts";

/** Path below the volume → what is there. */
export type VolumeFiles = ReadonlyMap<string, VolumeFile>;

export interface VolumeFile {
  readonly data: Buffer;
  /** Permission bits. */
  readonly mode: number;
  /** Owner, where it is not the agent itself. */
  readonly uid?: number | undefined;
}

const PATH_BYTES_MAX = 4096;
const NAME_BYTES_MAX = 255;

/**
 * @returns the path without needless parts.
 * @throws VolumeError when it leads out of the volume or into what the volume needs for itself.
 */
export function checkFilePath(path: string): string {
  const elements = path.split("/").filter((element) => element !== "" && element !== ".");
  const first = elements[0] ?? "";
  const wrong =
    path.startsWith("/") ||
    path.includes("\0") ||
    elements.length === 0 ||
    elements.includes("..") ||
    first.startsWith("..") ||
    Buffer.byteLength(path) > PATH_BYTES_MAX ||
    elements.some((element) => Buffer.byteLength(element) > NAME_BYTES_MAX);
  if (wrong)
    throw new VolumeError(
      `invalid path ${JSON.stringify(path.slice(0, 100))}: must be relative, without "..", and must not begin with ".."`,
      { code: "InvalidVolume" },
    );
  return elements.join("/");
}
