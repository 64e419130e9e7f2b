import { CodedError, toError } from "@kedge/runtime";
import { keadmProgram } from "./command/keadm-program.ts";
import { terminalSession } from "./session.ts";

const life = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const)
  process.once(name, () => life.abort(new Error(`stopped by ${name}; the same command goes on from here`)));

try {
  await keadmProgram(terminalSession(life.signal)).parseAsync();
} catch (thrown) {
  const error = toError(thrown);
  const expected = error instanceof CodedError || life.signal.aborted;
  process.stderr.write(`keadm: ${expected ? error.message : (error.stack ?? error.message)}\n`);
  if (wantsJson(process.argv)) {
    const code = error instanceof CodedError ? String(error.code) : "Unexpected";
    process.stdout.write(`${JSON.stringify({ error: { code, message: error.message } }, undefined, 2)}\n`);
  }
  process.exitCode = 1;
}
// A connection that is still open must not keep a command that has said all it had to say.
process.exit();

function wantsJson(args: readonly string[]): boolean {
  return args.some(
    (word, at) => /^(-o|--output)=?json$/.test(word) || (/^(-o|--output)$/.test(word) && args[at + 1] === "json"),
  );
}
