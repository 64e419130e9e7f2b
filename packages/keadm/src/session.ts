import { createInterface } from "node:readline/promises";
import { KeadmError } from "./keadm-error.ts";

/** What every command gets: where to write, whom to ask, when to stop. */
export interface Session {
  readonly signal: AbortSignal;
  /** The command's result, on standard output. */
  print(text: string): void;
  /** Progress and warnings, on standard error: a script that reads the result does not see them. */
  tell(line: string): void;
  /** As {@link tell}, once it is done, with the seconds that it took. */
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
  /** Asks y/N. @throws KeadmError `Declined` unless the answer is yes */
  confirm(question: string): Promise<void>;
}

export function terminalSession(signal: AbortSignal): Session {
  // Whoever reads our output may stop reading (| head): that is no error.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  const tell = (line: string) => void process.stderr.write(`${line}\n`);
  return {
    signal,
    tell,
    print: (text) => void process.stdout.write(`${text}\n`),
    async step(title, work) {
      const started = performance.now();
      const result = await work();
      tell(`  ✓ ${title} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
      return result;
    },
    async confirm(question) {
      const terminal = createInterface({ input: process.stdin, output: process.stderr });
      try {
        const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
        const answer = await Promise.race([terminal.question(`${question} [y/N] `, { signal }), closed]);
        if (/^y(es)?$/i.test(answer.trim())) return;
      } finally {
        terminal.close();
      }
      throw new KeadmError("Declined", "confirmation", "nothing was changed: answer y, or give --force");
    },
  };
}

/** @throws KeadmError `NotRoot` */
export function expectRoot(command: string): void {
  if (process.getuid?.() !== 0)
    throw new KeadmError("NotRoot", command, `keadm ${command} changes what belongs to root: run it with sudo`);
}
