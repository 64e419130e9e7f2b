import { spawn } from "node:child_process";

/**
 * Runs the `go` command.
 *
 * @param env beside this process's own variables.
 * @returns standard output.
 * @throws with the last line of standard error, or because there is no Go toolchain.
 */
export async function go(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn("go", args, { cwd, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let [output, complaint] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-4096)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve);
    child.on("error", () => reject(new Error("there is no Go toolchain on PATH")));
  });
  if (code !== 0) throw new Error(`go ${args[0]} failed: ${complaint.trim().split("\n").at(-1) ?? ""}`);
  return output;
}
