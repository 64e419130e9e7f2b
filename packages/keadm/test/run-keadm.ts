import { keadmProgram } from "../src/index.ts";
import type { Session } from "../src/session.ts";

export interface Ran {
  /** Standard output. */
  readonly printed: string;
  /** Standard error. */
  readonly told: string;
  /** What was thrown, if the command failed. */
  readonly error: Error | undefined;
}

/** Runs a command line within this process. Nobody is there to answer questions. */
export async function runKeadm(...args: string[]): Promise<Ran> {
  const [printed, told]: string[][] = [[], []];
  const session: Session = {
    signal: AbortSignal.timeout(120_000),
    print: (text) => void printed?.push(text),
    tell: (line) => void told?.push(line),
    async step(title, work) {
      const result = await work();
      told?.push(title);
      return result;
    },
    confirm: (question) => Promise.reject(new Error(`asked: ${question}`)),
  };
  let error: Error | undefined;
  try {
    await keadmProgram(session).parseAsync(args, { from: "user" });
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  return { printed: (printed ?? []).join("\n"), told: (told ?? []).join("\n"), error };
}
