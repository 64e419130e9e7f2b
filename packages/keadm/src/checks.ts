import { toError } from "@kedge/runtime";
import { KeadmError } from "./keadm-error.ts";
import type { Session } from "./session.ts";

/** How one look at the host or the cloud came out. */
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** It is not known, or not right but nothing to stop for; `ok` is true then. */
  readonly warning?: true;
  /** What was seen. */
  readonly detail: string;
  /** The one thing to do. */
  readonly fix?: string;
}

/** One thing that must be right. */
export interface Check {
  readonly name: string;
  /** @returns what was seen. @throws CheckWarning for what is no reason to stop; KeadmError, or another error that says by itself what is wrong and what to do */
  run(signal: AbortSignal): Promise<string>;
}

/** Not known, or not right, but nothing to stop for. The message is as that of an error. */
export class CheckWarning extends Error {}

/** Runs the checks in turn and stops at the first that fails, since what comes after would only repeat it. */
export async function mustPass(checks: readonly Check[], session: Session): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    const detail = await check.run(session.signal);
    session.tell(`  ✓ ${check.name}: ${detail}`);
    results.push({ name: check.name, ok: true, detail });
  }
  return results;
}

/** Runs all checks, whatever comes out. */
export async function lookAtAll(checks: readonly Check[], signal: AbortSignal): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    const { name } = check;
    try {
      results.push({ name, ok: true, detail: await check.run(signal) });
    } catch (error) {
      signal.throwIfAborted();
      const told = splitFix(toError(error).message);
      results.push(
        error instanceof CheckWarning ? { name, ok: true, warning: true, ...told } : { name, ok: false, ...told },
      );
    }
  }
  return results;
}

/** Our errors say "what is wrong: what to do". */
function splitFix(message: string): { detail: string; fix?: string } {
  const at = message.lastIndexOf(": ");
  if (at === -1 || message.includes("\n")) return { detail: message };
  return { detail: message.slice(0, at), fix: message.slice(at + 2) };
}

export function failedCheck(name: string, message: string, cause?: unknown): KeadmError {
  return new KeadmError("ChecksFailed", name, message, cause === undefined ? undefined : { cause });
}

/** For people: a line each, and what to do below each that failed. */
export function renderChecks(results: readonly CheckResult[]): string {
  return results
    .map(({ name, ok, warning, detail, fix }) => {
      const line = `${warning === true ? "!" : ok ? "✓" : "✗"} ${name}: ${detail}`;
      return fix === undefined ? line : `${line}\n    → ${fix}`;
    })
    .join("\n");
}
