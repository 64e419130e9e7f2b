import { readFile, rename, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import type { StatePaths } from "../state-paths.ts";
import { UserError } from "../user-error.ts";
import type { UpOptions } from "./up-options.ts";

/** What `up` did, kept for the next `up`, for `status` and for `down`. */
export interface UpRecord {
  readonly options: UpOptions;
  /** Chains of the CNI plugins that the host had before us: `down --purge` leaves those. */
  readonly foreignChains: readonly string[];
}

export async function readRecord(paths: StatePaths): Promise<UpRecord | undefined> {
  const text = await readFile(paths.record, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    const hint = error.code === "EACCES" ? ": it is root's; try sudo" : `: ${error.message}`;
    throw new UserError(`cannot read ${paths.record}${hint}`, "state-dir");
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as UpRecord; // we wrote it, whole or not at all
  } catch (error) {
    throw new UserError(`${paths.record} is not ours or is damaged: remove it, then try again`, "state-dir", {
      cause: error,
    });
  }
}

export async function writeRecord(paths: StatePaths, record: UpRecord): Promise<void> {
  const unfinished = `${paths.record}.part`;
  await writeFile(unfinished, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  await rename(unfinished, paths.record);
}

/** This host's name as a node name may be: lower case, RFC 1123. */
export function nodeNameDefault(): string {
  const name = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, "-")
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
  return name === "" ? "edge-node" : name.slice(0, 63);
}
