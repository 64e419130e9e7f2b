import { mkdir, readdir, readlink, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Pod } from "@kedge/kube";
import { safeName } from "../volumes/pod-directory.ts";

const LINK_NAME_CHARS_MAX = 255;
const LINK_SUFFIX = ".log";
const DIRECTORY_MODE = 0o755;

interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export function identityOf({ metadata = {} }: Pod): PodIdentity {
  return { namespace: metadata.namespace ?? "", name: metadata.name ?? "", uid: metadata.uid ?? "" };
}

/** `<podLogsDir>/<namespace>_<pod>_<uid>`, whose parts come from outside. @throws UnsafeNameError */
export function podLogDirectory(podLogsDirectory: string, { namespace, name, uid }: PodIdentity): string {
  return join(podLogsDirectory, `${safeName(namespace)}_${safeName(name)}_${safeName(uid)}`);
}

/** Relative to the pod's log directory. */
export function containerLogPath(container: string, restartCount: number): string {
  return `${safeName(container)}/${restartCount}.log`;
}

/** The runtime writes the file, but makes no directory. */
export async function makeContainerLogDirectory(podDirectory: string, container: string): Promise<void> {
  await mkdir(join(podDirectory, safeName(container)), { recursive: true, mode: DIRECTORY_MODE });
}

/** One more than the highest number of a log: how often a container started of which the runtime knows nothing. */
export async function restartCountFromLogs(podDirectory: string, container: string): Promise<number> {
  const names = await readdir(join(podDirectory, safeName(container))).catch(() => []);
  const counts = names.map((name) => /^(\d{1,9})\.log/.exec(name)?.[1]).filter((count) => count !== undefined);
  return Math.max(-1, ...counts.map(Number)) + 1;
}

/** Where log collectors look: `/var/log/containers/<pod>_<namespace>_<container>-<id>.log`. */
export function logLinkPath(directory: string, pod: PodIdentity, container: string, containerId: string): string {
  const prefix = `${pod.name}_${pod.namespace}_${container}-${containerId}`;
  return join(directory, prefix.slice(0, LINK_NAME_CHARS_MAX - LINK_SUFFIX.length) + LINK_SUFFIX);
}

export async function linkLog(linkPath: string, logPath: string): Promise<void> {
  await rm(linkPath, { force: true });
  await symlink(logPath, linkPath);
}

/** Removes the links of pods whose logs are gone. */
export async function removeDeadLogLinks(directory: string, podLogsDirectory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isSymbolicLink()) continue;
    const path = join(directory, entry.name);
    const target = await readlink(path).catch(() => "");
    if (!target.startsWith(`${podLogsDirectory}/`)) continue; // somebody else's
    // While a log is rotated there is none for a moment, but its directory is.
    const gone = await stat(dirname(target)).then(
      () => false,
      () => true,
    );
    if (gone) await rm(path, { force: true });
  }
}

/** Removes the files of one dead container: log, its rotated parts, link. */
export async function removeContainerLogs(logPath: string, linkPath: string): Promise<void> {
  await rm(linkPath, { force: true });
  if (logPath === "") return;
  const directory = join(logPath, "..");
  const name = basename(logPath);
  for (const entry of await readdir(directory).catch(() => []))
    if (entry === name || entry.startsWith(`${name}.`)) await rm(join(directory, entry), { force: true });
}
