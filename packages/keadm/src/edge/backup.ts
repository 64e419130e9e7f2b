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

/** Backups beyond it are removed, the oldest first, once a new one is whole. */
export const BACKUPS_MAX = 5;
const NAME = /^v(\d[-+.\w]*?)(?:_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z)?$/;

/** A copy of what the agent is and knows, to go back to. */
export interface Backup {
  /** The folder's: `v0.1.0_20260102T030405678Z`, or `v0.1.0` as KubeEdge has it. */
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  /** ISO 8601 */
  readonly madeAt: string;
}

/**
 * Copies database, configuration and program to `/etc/kubeedge/backup/<version>_<time>`; also while the agent runs. FIX: KubeEdge
 * has one of each version, so that a node that does not work any more overwrites the copy of when it did.
 */
export async function backup(paths: HostPaths, { signal }: Pick<Session, "signal">): Promise<Backup> {
  const program = programFile(presentCommand(findAgent(paths).command(), paths));
  const version = await programVersion(program, signal);
  const { config } = readEdgeCoreFile(paths.config);
  const madeAt = new Date().toISOString();
  const name = `v${version}_${madeAt.replaceAll(/[-:.]/g, "")}`;
  const folder = join(paths.backups, name);
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  chmodSync(unfinished, 0o700); // Secrets are in the database
  if (existsSync(config.database.dataSource)) await copyDatabase(config.database.dataSource, unfinished, signal);
  copyFileSync(paths.config, join(unfinished, CONFIG));
  keepProgram(program, unfinished);
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  for (const old of listBackups(paths).slice(BACKUPS_MAX)) rmSync(old.folder, { recursive: true, force: true });
  return { name, version, folder, madeAt };
}

/** The newest first. */
export function listBackups(paths: HostPaths): Backup[] {
  if (!existsSync(paths.backups)) return [];
  return readdirSync(paths.backups)
    .flatMap((name): Backup[] => {
      const [, version, year, month, day, hour, minute, second, ms] = NAME.exec(name) ?? [];
      if (version === undefined || name.endsWith(".unfinished")) return [];
      const folder = join(paths.backups, name);
      const madeAt =
        year === undefined
          ? statSync(folder).mtime.toISOString()
          : `${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`;
      return [{ name, version, folder, madeAt }];
    })
    .toSorted((a, b) => (a.madeAt < b.madeAt ? 1 : -1));
}

/**
 * @param version of the backup, then the newest of it, or a backup's whole name; the newest of all, if left out.
 * @throws KeadmError `NotFound` with those that there are
 */
export function findBackup(paths: HostPaths, version: string | undefined): Backup {
  const all = listBackups(paths);
  const found =
    version === undefined
      ? all[0]
      : all.find((one) => one.name === version || one.version === version.replace(/^v/, ""));
  if (found !== undefined) return found;
  const there = all.length === 0 ? "there is none" : `there are ${all.map((one) => one.name).join(", ")}`;
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
