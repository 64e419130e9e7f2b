import { type BigIntStats } from "node:fs";
import { chmod, mkdir, open, stat } from "node:fs/promises";
import type { HostPathVolumeSource } from "@kedge/kube";
import { VolumeError } from "./volume-error.ts";

interface Kind {
  readonly name: string;
  readonly is: (stat: BigIntStats) => boolean;
}

const KINDS: Readonly<Record<string, Kind>> = {
  DirectoryOrCreate: { name: "directory", is: (stat) => stat.isDirectory() },
  Directory: { name: "directory", is: (stat) => stat.isDirectory() },
  FileOrCreate: { name: "file", is: (stat) => stat.isFile() },
  File: { name: "file", is: (stat) => stat.isFile() },
  Socket: { name: "socket", is: (stat) => stat.isSocket() },
  CharDevice: { name: "character device", is: (stat) => stat.isCharacterDevice() },
  BlockDevice: { name: "block device", is: (stat) => stat.isBlockDevice() },
};

/** Makes or checks what a hostPath volume names. @returns the path to mount. @throws VolumeError `HostPathTypeMismatch` */
export async function prepareHostPath({ path, type = "" }: HostPathVolumeSource, volume: string): Promise<string> {
  if (!path.startsWith("/") || path.split("/").includes("..") || path.includes("\0"))
    throw new VolumeError(`hostPath ${JSON.stringify(path)} must be absolute and must not contain ".."`, {
      code: "InvalidVolume",
      volume,
    });
  if (type === "") return path; // as Kubernetes: no check; the runtime makes a directory if nothing is there

  const kind = KINDS[type];
  if (kind === undefined) throw mismatch(`${type} is an invalid volume type`, volume);
  let found = await statOf(path);
  if (found === undefined && type === "DirectoryOrCreate") {
    await mkdir(path, { recursive: true, mode: 0o755 });
    found = await statOf(path);
  }
  if (found === undefined && type === "FileOrCreate") {
    const file = await open(path, "a", 0o644).catch((error: unknown) => {
      throw new VolumeError(
        `hostPath ${path} cannot be created: its directory must exist`,
        { code: "MountFailed", volume },
        {
          cause: error,
        },
      );
    });
    await file.close();
    await chmod(path, 0o644);
    found = await statOf(path);
  }
  if (found === undefined || !kind.is(found))
    throw mismatch(`hostPath type check failed: ${path} is not a ${kind.name}`, volume);
  return path;
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch {
    return undefined;
  }
}

function mismatch(message: string, volume: string): VolumeError {
  return new VolumeError(message, { code: "HostPathTypeMismatch", volume });
}
