import { toError } from "@kedge/runtime";
import { KeadmError } from "./keadm-error.ts";
import type { Session } from "./session.ts";

/** How one look at the host or the cloud came out. */
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen. */
  readonly detail: string;
  /** The one thing to do. */
  readonly fix?: string;
}

/** One thing that must be right. */
export interface Check {
  readonly name: string;
  /** @returns what was seen. @throws KeadmError, or another error that says by itself what is wrong and what to do */
  run(signal: AbortSignal): Promise<string>;
}

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
      results.push({ name, ok: false, ...splitFix(toError(error).message) });
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
    .map(({ name, ok, detail, fix }) => {
      const line = `${ok ? "✓" : "✗"} ${name}: ${detail}`;
      return fix === undefined ? line : `${line}\n    → ${fix}`;
    })
    .join("\n");
}
