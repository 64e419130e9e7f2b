import { spawn } from "node:child_process";
import { UserError } from "./user-error.ts";

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with an argument array (never a shell) to its end. @throws the signal's reason; UserError if it is missing. */
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
    child.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? new UserError(`the program ${program} is missing`, program) : error),
    );
  });
  return { code: code ?? -1, ...output };
}

/** As {@link runCommand}. @throws UserError if it exits with anything but 0; `doing` says what for. */
export async function mustRun(command: readonly string[], doing: string, signal: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, signal);
  if (code === 0) return stdout;
  const complaint = (stderr.trim() || stdout.trim()).split("\n").at(-1) ?? "";
  throw new UserError(`${doing}: ${command[0] ?? ""} exited with ${code}: ${complaint}`, command[0] ?? "");
}
