import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { deferred } from "@kedge/runtime";

const STOP_GRACE_MS = 5_000;
const LOG_TAIL_CHARACTERS = 2_000;
/** util-linux; with it the kernel ends the child even when we are killed. */
const SETPRIV = "/usr/bin/setpriv";

/** One listener for all of them, since a test may run many. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A program that a test runs beside itself; its output goes to a file. It never outlives the test's process. */
export class TestProcess implements AsyncDisposable {
  readonly logFile: string;
  /** Resolves when the program ended, with how. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;

  private constructor(name: string, child: ChildProcess, logFile: string) {
    this.#child = child;
    this.logFile = logFile;
    const ended = deferred<string>();
    this.ended = ended.promise;
    running.add(child);
    void ended.promise.then(() => running.delete(child));
    child.once("exit", (code, signal) => ended.resolve(`${name} ended: ${signal ?? `exit code ${code}`}`));
    child.once("error", (error) => ended.resolve(`${name} did not start: ${error.message}`));
  }

  static start(name: string, program: string, args: readonly string[], logFile: string): TestProcess {
    const log = openSync(logFile, "a");
    try {
      const [command, ...rest] = withParentDeathSignal([program, ...args]);
      return new TestProcess(name, spawn(command, rest, { stdio: ["ignore", log, log] }), logFile);
    } finally {
      closeSync(log);
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  logTail(): string {
    return readFileSync(this.logFile, "utf8").slice(-LOG_TAIL_CHARACTERS);
  }

  /** As a crash or a power cut does it. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.running) return;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_GRACE_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

function withParentDeathSignal(command: readonly string[]): [string, ...string[]] {
  try {
    accessSync(SETPRIV);
    return [SETPRIV, "--pdeathsig", "KILL", "--", ...command];
  } catch {
    const [program = "", ...args] = command;
    return [program, ...args];
  }
}

/** A port of the loopback that was free a moment ago. Another may take it: whoever uses it tries again. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port was assigned");
  return address.port;
}
