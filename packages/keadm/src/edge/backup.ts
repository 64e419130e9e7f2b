import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { findAgent } from "../host/agent.ts";
import type { HostPaths } from "../host/host-paths.ts";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { copyDatabase } from "./edge-database.ts";
import { keepProgram, presentCommand, PROGRAM_FILE, programFile, programVersion } from "./edge-program.ts";
import { readEdgeCoreFile } from "./edgecore-config.ts";

const DATABASE = "edgecore.db";
const CONFIG = "edgecore.yaml";

/** A copy of what the agent is and knows, to go back to. */
export interface Backup {
  readonly version: string;
  readonly folder: string;
}

/**
 * Copies database, configuration and program to `/etc/kubeedge/backup/<version>`; also while the agent runs. One of the same
 * version is replaced once the new one is whole.
 */
export async function backup(paths: HostPaths, { signal }: Pick<Session, "signal">): Promise<Backup> {
  const program = programFile(presentCommand(findAgent(paths).command(), paths));
  const version = await programVersion(program, signal);
  const { config } = readEdgeCoreFile(paths.config);
  const folder = join(paths.backups, `v${version}`);
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  chmodSync(unfinished, 0o700); // Secrets are in the database
  if (existsSync(config.database.dataSource)) await copyDatabase(config.database.dataSource, unfinished, signal);
  copyFileSync(paths.config, join(unfinished, CONFIG));
  keepProgram(program, unfinished);
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  return { version, folder };
}

/** The backup of a version, or the newest. @throws KeadmError `NotFound` with those that there are */
export function findBackup(paths: HostPaths, version: string | undefined): Backup {
  const all = existsSync(paths.backups)
    ? readdirSync(paths.backups)
        .filter((name) => /^v\d/.test(name) && !name.endsWith(".unfinished"))
        .map((name) => ({ version: name.slice(1), folder: join(paths.backups, name) }))
    : [];
  const newest = all.toSorted((a, b) => statSync(b.folder).mtimeMs - statSync(a.folder).mtimeMs)[0];
  const found = version === undefined ? newest : all.find((one) => one.version === version.replace(/^v/, ""));
  if (found !== undefined) return found;
  const there = all.length === 0 ? "there is none" : `there are ${all.map((one) => one.version).join(", ")}`;
  throw new KeadmError(
    "NotFound",
    paths.backups,
    `no backup ${version === undefined ? "" : `of ${version} `}is in ${paths.backups} (${there}): make one with keadm backup edge`,
  );
}

/**
 * Puts a backup's files back; the agent must be stopped. The database goes where the configuration wants it (FIX: KubeEdge
 * knows one name only).
 *
 * @returns the program's place.
 */
export function restore({ folder }: Backup, paths: HostPaths): string {
  copyFileSync(join(folder, CONFIG), paths.config);
  chmodSync(paths.config, 0o600);
  const { dataSource } = readEdgeCoreFile(paths.config).config.database;
  if (existsSync(join(folder, DATABASE))) {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(dataSource + suffix, { force: true });
    for (const suffix of ["", "-wal"])
      if (existsSync(join(folder, DATABASE + suffix)))
        copyFileSync(join(folder, DATABASE + suffix), dataSource + suffix);
  }
  return keepProgram(join(folder, PROGRAM_FILE), join(paths.lib, "program"));
}
