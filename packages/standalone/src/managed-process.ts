import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, toError } from "@kedge/runtime";
import type { StatePaths } from "./state-paths.ts";
import { UserError } from "./user-error.ts";

/** A log larger than this is set aside as `NAME.log.1` when its process is started. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const STOP_POLL_MS = 50;

export type ProcessName = "cloud" | "edge" | "containerd" | "sensor";

/** Who a process is: a pid alone may by now belong to somebody else. */
interface Identity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks from boot to the process' start. */
  readonly startTicks: string;
  readonly bootId: string;
}

function identify(pid: number): Identity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return { pid, startTicks: fields[19] ?? "", bootId };
  } catch {
    return undefined; // no such process
  }
}

/** One of the programs that `up` leaves running: started detached, found again by its pid file, stopped by id. */
export class ManagedProcess {
  readonly name: ProcessName;
  readonly logFile: string;
  readonly #pidFile: string;

  constructor(name: ProcessName, paths: StatePaths) {
    this.name = name;
    this.logFile = join(paths.log.dir, `${name}.log`);
    this.#pidFile = join(paths.run.dir, `${name}.pid`);
  }

  /** @returns the pid while the process that {@link start} started is alive. */
  async pid(): Promise<number | undefined> {
    const text = await readFile(this.#pidFile, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const recorded = parseIdentity(text);
    if (recorded === undefined) return undefined;
    const living = identify(recorded.pid);
    const same = living?.startTicks === recorded.startTicks && living.bootId === recorded.bootId;
    return same ? recorded.pid : undefined;
  }

  /** Starts the program in a session of its own; its output goes to {@link logFile}. */
  async start(command: readonly string[], environment: NodeJS.ProcessEnv = process.env): Promise<number> {
    const [program = "", ...args] = command;
    if ((statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX)
      renameSync(this.logFile, `${this.logFile}.1`);
    const log = openSync(this.logFile, "a", 0o640);
    try {
      const child = spawn(program, args, { detached: true, stdio: ["ignore", log, log], env: environment, cwd: "/" });
      const spawned = await new Promise<number>((resolve, reject) => {
        child.once("error", (error) => reject(new UserError(`cannot start ${program}: ${error.message}`, this.name)));
        child.once("spawn", () => resolve(child.pid ?? 0));
      });
      child.unref();
      const identity = identify(spawned);
      if (identity === undefined) throw this.#died();
      await writeFile(this.#pidFile, JSON.stringify(identity));
      return spawned;
    } finally {
      closeSync(log);
    }
  }

  /** SIGTERM, and after `graceMs` SIGKILL. Returns at once if it does not run. */
  async stop(graceMs: number, signal: AbortSignal): Promise<void> {
    const pid = await this.pid();
    if (pid !== undefined) {
      const deadline = systemClock.monotonic() + graceMs;
      kill(pid, "SIGTERM");
      while ((await this.pid()) !== undefined) {
        if (systemClock.monotonic() > deadline) kill(pid, "SIGKILL");
        await systemClock.sleep(STOP_POLL_MS, signal);
      }
    }
    await rm(this.#pidFile, { force: true });
  }

  /** @throws UserError with the log's last words if the process is not alive. */
  async expectAlive(): Promise<void> {
    if ((await this.pid()) === undefined) throw this.#died();
  }

  #died(): UserError {
    let words = "";
    try {
      words = readFileSync(this.logFile, "utf8").trim().split("\n").slice(-3).join("\n  ");
    } catch (error) {
      words = toError(error).message;
    }
    return new UserError(`${this.name} ended unexpectedly; its log ${this.logFile} ends with:\n  ${words}`, this.name);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function parseIdentity(text: string): Identity | undefined {
  try {
    const value = JSON.parse(text) as Partial<Identity> | null;
    if (typeof value?.pid !== "number" || typeof value.startTicks !== "string" || typeof value.bootId !== "string")
      return undefined;
    return { pid: value.pid, startTicks: value.startTicks, bootId: value.bootId };
  } catch {
    return undefined; // cut short by a crash while it was written: we no longer know the process
  }
}
