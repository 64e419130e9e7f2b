import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { arch, cpus, freemem, hostname, networkInterfaces, release, totalmem, uptime } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type TarEntry, writeTar } from "@kedge/cri";
import { toError } from "@kedge/runtime";
import { EdgeDatabase } from "../edge/edge-database.ts";
import { readEdgeCoreFile } from "../edge/edgecore-config.ts";
import { findAgent } from "../host/agent.ts";
import { hostPaths } from "../host/host-paths.ts";
import { askStatus } from "../join/agent-status.ts";
import { KeadmError } from "../keadm-error.ts";
import { RELEASE } from "../release.ts";
import type { Session } from "../session.ts";
import { redactText, withoutSecrets } from "./redact.ts";

export interface CollectFlags {
  config?: string;
  detail: boolean;
  outputPath: string;
  logPath?: string;
  rootDir: string;
}

const LOG_BYTES_MAX = 8 * 1024 * 1024;
const LOGS_MAX = 20;

/** A part of the archive: a name, and what makes its text. */
type Part = readonly [name: string, make: () => string | Promise<string>];

/**
 * Packs what helps to find out what is wrong with this node. FIX: Secrets, tokens and keys are left out, only root may read it,
 * and what cannot be had is noted instead of ending the whole. Prints the archive's path.
 *
 * @throws KeadmError `NotFound`, once the archive is written, if there is no node here
 */
export async function collect(flags: CollectFlags, session: Session): Promise<void> {
  const name = `edge_${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  const entries: TarEntry[] = [{ path: `${name}/`, mode: 0o700 }];
  const missing: string[] = [];
  for (const [file, make] of parts(flags, session.signal)) {
    try {
      const content = Buffer.from(redactText(await make()));
      entries.push({ path: `${name}/${file}`, mode: 0o600, content });
      if (flags.detail) session.tell(`  ✓ ${file} (${content.length} bytes)`);
    } catch (error) {
      session.signal.throwIfAborted();
      missing.push(`${file}: ${toError(error).message}`);
      session.tell(`  ! ${file} is left out: ${toError(error).message}`);
    }
  }
  if (missing.length > 0)
    entries.push({ path: `${name}/missing.txt`, mode: 0o600, content: Buffer.from(`${missing.join("\n")}\n`) });
  mkdirSync(flags.outputPath, { recursive: true, mode: 0o700 });
  const archive = join(flags.outputPath, `${name}.tar.gz`);
  writeFileSync(archive, gzipSync(writeTar(entries)), { mode: 0o600 });
  chmodSync(archive, 0o600);
  session.print(archive);
  const file = flags.config ?? hostPaths(flags.rootDir).config;
  if (!existsSync(file))
    throw new KeadmError(
      "NotFound",
      file,
      `${archive} holds nothing of a node, since there is no ${file} (missing: ${missing.map((line) => line.split(":")[0]).join(", ")}): if the node is elsewhere, name it with --root-dir or --config`,
    );
  if (missing.length > 0)
    session.tell(`! ${missing.length} parts are missing in the archive, as said above and in its missing.txt`);
}

function parts(flags: CollectFlags, signal: AbortSignal): Part[] {
  const paths = hostPaths(flags.rootDir);
  const file = flags.config ?? paths.config;
  const logs = flags.logPath ?? paths.log;
  return [
    ["system.json", () => json(systemFacts())],
    ["mounts.txt", () => readFileSync("/proc/self/mountinfo", "utf8")],
    ["edgecore.yaml", () => readFileSync(file, "utf8")],
    ["status.json", () => agentFacts(file, flags.rootDir, signal)],
    ["objects.json", () => objects(file, signal)],
    ["last-log.txt", () => findAgent(paths).lastWords(signal)],
    ...(existsSync(paths.unit) ? [["edgecore.service", () => readFileSync(paths.unit, "utf8")] as const] : []),
    ...logFiles(logs).map((log): Part => [`log/${log}`, () => readEnd(join(logs, log))]),
  ];
}

function systemFacts(): object {
  return {
    keadm: RELEASE,
    hostname: hostname(),
    kernel: release(),
    arch: arch(),
    cpus: cpus().map(({ model }) => model),
    memoryBytes: { total: totalmem(), free: freemem() },
    uptimeSeconds: uptime(),
    addresses: networkInterfaces(),
    osRelease: existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "",
  };
}

async function agentFacts(file: string, rootDir: string, signal: AbortSignal): Promise<string> {
  const { config } = readEdgeCoreFile(file);
  const agent = findAgent(hostPaths(rootDir));
  const status = await askStatus(config, config.modules.edged.hostnameOverride, signal);
  return json({ pid: await agent.pid(signal), keeper: agent.keeper, command: agent.command(), status });
}

/** The database itself holds Secrets; what it says is here without them. */
async function objects(file: string, signal: AbortSignal): Promise<string> {
  using database = await EdgeDatabase.open(readEdgeCoreFile(file).config.database.dataSource, signal);
  const counts = database.counts();
  const types = Object.keys(counts).filter((type) => type !== "secret" && !type.includes("token"));
  const secrets = database.list("secret").map((secret) => withoutSecrets({ ...secret, kind: "Secret" }));
  const all = Object.fromEntries(types.map((type) => [type, database.list(type)]));
  return json({ damage: database.damage() ?? null, counts, ...all, secret: secrets });
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 1)}\n`;
}

function logFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /\.log(\.\d+)?$/.test(name) && statSync(join(folder, name)).isFile())
    .slice(0, LOGS_MAX);
}

function readEnd(file: string): string {
  return readFileSync(file).subarray(-LOG_BYTES_MAX).toString("utf8");
}
