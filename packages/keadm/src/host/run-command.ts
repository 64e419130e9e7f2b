import { spawn } from "node:child_process";
import { KeadmError } from "../keadm-error.ts";

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with an argument array (never a shell) to its end. @throws KeadmError if it cannot be started */
export async function runCommand(command: readonly string[], signal: AbortSignal): Promise<CommandResult> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], signal });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (chunk: Buffer) => {
      if (output[name].length < OUTPUT_BYTES_MAX) output[name] += chunk.toString();
    });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", (error) => {
      signal.throwIfAborted();
      reject(new KeadmError("ProgramFailed", program, `${program} cannot be run: ${error.message}`, { cause: error }));
    });
  });
  return { code: code ?? -1, ...output };
}

/** As {@link runCommand}. @throws KeadmError with its last line if it exits with anything but 0 */
export async function mustRun(command: readonly string[], signal: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, signal);
  if (code === 0) return stdout;
  const complaint = (stderr.trim() || stdout.trim()).split("\n").at(-1) ?? "";
  const what = command.join(" ");
  throw new KeadmError("ProgramFailed", what, `${what} exited with ${code}: ${complaint}`);
}

/** Runs the script of `--pre-run` or `--post-run`: a file that is executable by itself. @throws KeadmError */
export async function runScript(flag: string, file: string, signal: AbortSignal): Promise<void> {
  try {
    await mustRun([file], signal);
  } catch (error) {
    if (!(error instanceof KeadmError)) throw error;
    throw new KeadmError("ProgramFailed", file, `the script of ${flag} failed: ${error.message}`, { cause: error });
  }
}
