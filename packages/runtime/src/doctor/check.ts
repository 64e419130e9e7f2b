import { toError } from "../coded-error.ts";

/** A check that takes longer has failed: whoever asks a doctor is waiting. */
export const CHECK_MS_MAX = 20_000;

/** What a check found. `failed` and `warning` say what to do. */
export type Finding =
  | { readonly state: "ok" | "skipped"; readonly detail: string }
  | { readonly state: "warning" | "failed"; readonly detail: string; readonly fix: string };

export interface Check {
  /** For programs; stays the same from version to version. */
  readonly name: string;
  /** For people, in two or three words. */
  readonly title: string;
  /** Changes nothing on the machine. What it throws is a failure. */
  run(signal: AbortSignal): Finding | Promise<Finding>;
}

export interface CheckResult {
  /** From 1, in the order of the checks. */
  readonly number: number;
  readonly name: string;
  readonly title: string;
  readonly finding: Finding;
}

/** Ways to say what was found. */
export const found = {
  ok: (detail: string): Finding => ({ state: "ok", detail }),
  skipped: (detail: string): Finding => ({ state: "skipped", detail }),
  warning: (detail: string, fix: string): Finding => ({ state: "warning", detail, fix }),
  failed: (detail: string, fix: string): Finding => ({ state: "failed", detail, fix }),
} as const;

/** Runs the checks one after the other: later ones build on what earlier ones found. */
export async function runChecks(checks: readonly Check[], signal: AbortSignal): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    const finding = await runCheck(check, signal);
    results.push({ number: results.length + 1, name: check.name, title: check.title, finding });
  }
  return results;
}

async function runCheck(check: Check, signal: AbortSignal): Promise<Finding> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CHECK_MS_MAX)]);
  try {
    return await check.run(limit);
  } catch (error) {
    signal.throwIfAborted();
    const why = limit.aborted ? `no answer within ${CHECK_MS_MAX / 1000} s` : toError(error).message;
    return found.failed(why, "this check itself failed: if the text does not tell why, report it");
  }
}
