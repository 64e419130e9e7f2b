import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { systemClock } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";
import type { Agent } from "./agent.ts";
import type { HostPaths } from "./host-paths.ts";
import { logTail } from "./log-tail.ts";
import { identify, isSame, type ProcessIdentity } from "./process-identity.ts";

/** A log larger than this is set aside as `edgecore.log.1` when the agent is started. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const STOP_GRACE_MS = 15_000;
const STOP_POLL_MS = 50;

interface Recorded extends ProcessIdentity {
  readonly command: readonly string[];
}

/** Where there is no service manager: a process of its own session, found again by its pid file. Nobody restarts it. */
export class BackgroundAgent implements Agent {
  readonly keeper = "keadm";
  readonly logHint: string;
  readonly #paths: HostPaths;

  constructor(paths: HostPaths) {
    this.#paths = paths;
    this.logHint = `tail -f ${paths.agentLog}`;
  }

  async pid(): Promise<number | undefined> {
    const recorded = this.#recorded();
    return Promise.resolve(recorded !== undefined && isSame(recorded) ? recorded.pid : undefined);
  }

  async start(command: readonly string[], signal: AbortSignal): Promise<void> {
    await this.stop(signal);
    const { agentLog, pidFile } = this.#paths;
    for (const file of [agentLog, pidFile]) mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    if ((statSync(agentLog, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX)
      renameSync(agentLog, `${agentLog}.1`);
    const log = openSync(agentLog, "a", 0o640);
    try {
      const [program = "", ...args] = command;
      const env = { ...process.env, KEDGE_NODE: process.execPath };
      const child = spawn(program, args, { detached: true, stdio: ["ignore", log, log], env, cwd: "/" });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", (error) =>
          reject(new KeadmError("AgentFailed", program, `edgecore cannot be started: ${error.message}`)),
        );
      });
      child.unref();
      const identity = identify(child.pid ?? 0);
      if (identity === undefined) return; // ended already: who waits for it tells why
      writeFileSync(pidFile, JSON.stringify({ ...identity, command }), { mode: 0o600 });
    } finally {
      closeSync(log);
    }
  }

  /** SIGTERM, and after a grace period SIGKILL. */
  async stop(signal: AbortSignal): Promise<void> {
    const deadline = systemClock.monotonic() + STOP_GRACE_MS;
    for (let tries = 0; ; tries += 1) {
      const pid = await this.pid();
      if (pid === undefined) return;
      if (systemClock.monotonic() > deadline) kill(pid, "SIGKILL");
      else if (tries === 0) kill(pid, "SIGTERM");
      await systemClock.sleep(STOP_POLL_MS, signal);
    }
  }

  async remove(signal: AbortSignal): Promise<void> {
    await this.stop(signal);
    rmSync(this.#paths.pidFile, { force: true });
  }

  command(): readonly string[] | undefined {
    return this.#recorded()?.command;
  }

  async lastWords(): Promise<string> {
    return Promise.resolve(logTail(this.#paths.agentLog));
  }

  #recorded(): Recorded | undefined {
    try {
      const value = JSON.parse(readFileSync(this.#paths.pidFile, "utf8")) as Partial<Recorded> | null;
      const { pid, startTicks, bootId, command } = value ?? {};
      if (typeof pid !== "number" || typeof startTicks !== "string" || typeof bootId !== "string") return undefined;
      return { pid, startTicks, bootId, command: Array.isArray(command) ? command.map(String) : [] };
    } catch {
      return undefined; // never started, or cut short by a crash while it was written
    }
  }
}

function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
