import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { edgeCoreCommand } from "../host/agent.ts";
import type { HostPaths } from "../host/host-paths.ts";
import { runCommand } from "../host/run-command.ts";
import { KeadmError } from "../keadm-error.ts";

/** The whole program is one file. */
export const PROGRAM_FILE = "edgecore.mjs";
/** The MQTT client parses its URL with a function that Node advises against. */
const NODE_FLAGS = ["--disable-warning=DEP0169"];

/** The file of the program that this command runs: the release's bundle, or one that was put back. @throws KeadmError */
export function programFile(command: readonly string[]): string {
  const file =
    command.find((word) => word.endsWith(".mjs")) ?? join(dirname(command[0] ?? ""), "dist/edgecore/main.mjs");
  if (existsSync(file)) return file;
  throw new KeadmError(
    "NotFound",
    file,
    `the program ${file} of edgecore is not there: has the release been moved or removed?`,
  );
}

/** How a program that was put back is run. */
export function commandOf(program: string, paths: HostPaths): string[] {
  return [process.execPath, ...NODE_FLAGS, program, "--config", paths.config];
}

/** What `edgecore --version` says, without what is around: `0.1.0`. @throws KeadmError if it does not say */
export async function programVersion(file: string, signal: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await runCommand([process.execPath, ...NODE_FLAGS, file, "--version"], signal);
  const version = /v?(\d+\.\d+\.\d+[-+.\w]*)/.exec(stdout)?.[1];
  if (code === 0 && version !== undefined) return version;
  throw new KeadmError(
    "ProgramFailed",
    file,
    `${file} does not tell its version (${stderr.trim() || stdout.trim()}): is it edgecore?`,
  );
}

/** The command of the agent on this host. @throws KeadmError `NotFound` before a join */
export function presentCommand(recorded: readonly string[] | undefined, paths: HostPaths): readonly string[] {
  if (recorded !== undefined && recorded.length > 0) return recorded;
  if (existsSync(paths.config)) return edgeCoreCommand(paths);
  throw new KeadmError("NotFound", paths.config, `there is no ${paths.config}: has this host joined?`);
}

/** Puts a program where nobody else changes it. @returns its place. */
export function keepProgram(file: string, folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const kept = join(folder, PROGRAM_FILE);
  if (basename(file) !== PROGRAM_FILE || dirname(file) !== folder) copyFileSync(file, kept);
  return kept;
}
