import { readFileSync, writeFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { loadEdgeCoreConfig } from "@kedge/api";
import { hostFacts, SUPPORTED_SWITCHES } from "@kedge/edge";
import { equalJson, type JsonValue } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { edgeCoreCommand, findAgent } from "../host/agent.ts";
import { type HostPaths, hostPaths } from "../host/host-paths.ts";
import { runScript } from "../host/run-command.ts";
import { startOrUndo } from "../join/start-or-undo.ts";
import { isReadyNow, startAndWait } from "../join/wait-for-node.ts";
import { KeadmError } from "../keadm-error.ts";
import { RELEASE } from "../release.ts";
import { expectRoot, type Session } from "../session.ts";
import { applySets, parseSets } from "../set-values.ts";
import { type Backup, backup, findBackup, restore } from "./backup.ts";
import { commandOf, presentCommand, programFile, programVersion } from "./edge-program.ts";
import { readEdgeCoreFile } from "./edgecore-config.ts";
import { withHostLock } from "./host-lock.ts";

export interface EdgeFlags {
  config?: string;
  preRun?: string;
  postRun?: string;
  rootDir: string;
  timeout: number;
}

/** Runs one command of this family: alone on the host, with its scripts before and after. */
async function onHost<T>(command: string, flags: EdgeFlags, session: Session, work: (paths: HostPaths) => Promise<T>) {
  expectRoot(command);
  const base = hostPaths(flags.rootDir);
  const paths = { ...base, config: flags.config ?? base.config };
  readEdgeCoreFile(paths.config); // before anything is made: has this host joined?
  return withHostLock(paths.lock, command, async () => {
    if (flags.preRun !== undefined) await runScript("--pre-run", flags.preRun, session.signal);
    const result = await work(paths);
    if (flags.postRun !== undefined) await runScript("--post-run", flags.postRun, session.signal);
    return result;
  });
}

export async function backupEdge(flags: EdgeFlags, session: Session): Promise<Backup> {
  return onHost("backup edge", flags, session, async (paths) => {
    const { config } = readEdgeCoreFile(paths.config);
    if (!(await isReadyNow(config, session.signal)))
      session.tell(
        "  ! the node is not known to be connected and Ready now: this is a backup of it as it is; older ones stay",
      );
    return backup(paths, session);
  });
}

/**
 * Changes `edgecore.yaml` and starts the agent anew. The file from before is put back if the agent gives up with the new one,
 * or if the node was connected and does not become Ready in time (unless `force`).
 */
export async function updateConfig(
  flags: EdgeFlags & { set: string[]; force: boolean },
  session: Session,
): Promise<void> {
  if (flags.set.length === 0)
    throw new KeadmError("BadInput", "--set", "nothing is to be changed: give --set key=value");
  await onHost("config-update", flags, session, async (paths) => {
    const before = readFileSync(paths.config, "utf8");
    const text = changedText(before, flags.set, session);
    if (text === before) return session.tell("nothing changes");
    const agent = findAgent(paths);
    const command = presentCommand(agent.command(), paths);
    await session.step("edgecore runs with the new configuration", () =>
      startOrUndo({ paths, agent, command, text, timeoutMs: flags.timeout * 1000, force: flags.force }, session),
    );
  });
}

function changedText(before: string, texts: readonly string[], session: Session): string {
  const document = parseDocument(before);
  const base = (document.toJS({ maxAliasCount: 100 }) ?? {}) as object;
  const sets = parseSets(texts);
  const { values, loaded } = applySets(base, sets, (tried) =>
    loadEdgeCoreConfig(tried, hostFacts(), { supported: SUPPORTED_SWITCHES }),
  );
  for (const { message } of loaded.warnings) session.tell(`  ! ${message}`);
  // Comments stay, where the document's own way to set values comes to the same.
  for (const { path } of sets) document.setIn(path, valueAt(values, path));
  const same = equalJson(document.toJS() as JsonValue, values as JsonValue);
  return same ? document.toString({ lineWidth: 0 }) : parseDocument(JSON.stringify(values)).toString({ lineWidth: 0 });
}

function valueAt(values: object, path: readonly (string | number)[]): unknown {
  let at: unknown = values;
  for (const part of path) at = (at as Record<string | number, unknown> | undefined)?.[part];
  return at;
}

export interface UpgradeEdgeFlags extends EdgeFlags {
  toVersion?: string;
  force: boolean;
  disableBackup: boolean;
}

/** Makes the agent this release's. If it does not become Ready, the one from before is put back (FIX: KubeEdge does not look). */
export async function upgradeEdge(flags: UpgradeEdgeFlags, session: Session): Promise<void> {
  const wanted = flags.toVersion?.replace(/^v/, "") ?? RELEASE;
  if (wanted !== RELEASE)
    throw new KeadmError(
      "NotSupported",
      "--toVersion",
      `this keadm brings v${RELEASE}, not v${wanted}: run the keadm of the release that you want`,
    );
  await onHost("upgrade edge", flags, session, async (paths) => {
    const { signal } = session;
    const agent = findAgent(paths);
    const present = presentCommand(agent.command(), paths);
    const fromVersion = await programVersion(programFile(present), signal);
    if (!flags.force) await session.confirm(upgradeQuestion(fromVersion));
    const report = (success: boolean, errorMessage = "") =>
      writeReport(paths, {
        event: "Upgrade",
        success,
        fromVersion: `v${fromVersion}`,
        toVersion: `v${RELEASE}`,
        errorMessage,
      });
    const kept = flags.disableBackup ? undefined : await session.step("backup", () => backup(paths, session));
    try {
      await session.step(`edgecore v${RELEASE} runs`, () => start(edgeCoreCommand(paths), paths, flags, session));
    } catch (error) {
      report(false, toError(error).message);
      if (kept === undefined || !(error instanceof KeadmError)) throw error;
      await agent.stop(signal);
      await agent.start(commandOf(restore(kept, paths), paths), signal);
      throw new KeadmError(
        "AgentFailed",
        paths.config,
        `${error.message}\nedgecore v${fromVersion} is in place again.`,
        { cause: error },
      );
    }
    report(true);
  });
}

function upgradeQuestion(fromVersion: string): string {
  return fromVersion === RELEASE
    ? `edgecore is v${RELEASE} already; it will be installed and started anew. Go on?`
    : `edgecore v${fromVersion} will be replaced by v${RELEASE} and started anew. Go on?`;
}

/** Goes back to a backup: configuration, database, program. */
export async function rollbackEdge(
  flags: EdgeFlags & { historicalVersion?: string },
  session: Session,
): Promise<Backup> {
  return onHost("rollback edge", flags, session, async (paths) => {
    const { signal } = session;
    const to = findBackup(paths, flags.historicalVersion);
    const agent = findAgent(paths);
    const fromVersion = await programVersion(programFile(presentCommand(agent.command(), paths)), signal);
    const report = (success: boolean, errorMessage = "") =>
      writeReport(paths, {
        event: "Rollback",
        success,
        fromVersion: `v${fromVersion}`,
        toVersion: `v${to.version}`,
        errorMessage,
      });
    try {
      session.tell(`  … going back to ${to.folder} (v${to.version}, made ${to.madeAt})`);
      await session.step("edgecore is stopped", () => agent.stop(signal));
      const command = commandOf(restore(to, paths), paths);
      await session.step(`edgecore v${to.version} runs`, () => start(command, paths, flags, session));
    } catch (error) {
      report(false, toError(error).message);
      throw error;
    }
    report(true);
    return to;
  });
}

async function start(command: readonly string[], paths: HostPaths, flags: EdgeFlags, session: Session): Promise<void> {
  const { config } = readEdgeCoreFile(paths.config);
  await startAndWait(findAgent(paths), command, config, flags.timeout * 1000, session);
}

/** As KubeEdge writes it, for whoever asked for the upgrade. */
interface Report {
  readonly event: "Upgrade" | "Rollback";
  readonly success: boolean;
  readonly fromVersion: string;
  readonly toVersion: string;
  readonly errorMessage: string;
}

function writeReport(paths: HostPaths, report: Report): void {
  writeFileSync(paths.upgradeReport, `${JSON.stringify(report)}\n`, { mode: 0o644 });
}
