import type { CheckResult } from "./check.ts";

export interface DoctorReport {
  readonly program: string;
  readonly version: string;
  /** The configuration file that was looked at. */
  readonly config: string;
  readonly results: readonly CheckResult[];
}

const MARKS = { ok: "ok", skipped: "skip", warning: "WARN", failed: "FAIL" } as const;

/** Whether no check failed; warnings are no failures. */
export function isWell({ results }: DoctorReport): boolean {
  return results.every(({ finding }) => finding.state !== "failed");
}

/** For people: a numbered line a check, and below each that found something wrong, what to do. */
export function renderReport(report: DoctorReport): string {
  const { program, version, config, results } = report;
  const titleWidth = Math.max(...results.map(({ title }) => title.length));
  const lines = results.flatMap(({ number, title, finding }) => {
    const mark = MARKS[finding.state].padEnd(4);
    const line = `${String(number).padStart(2)} ${mark} ${title.padEnd(titleWidth)}  ${finding.detail}`;
    return "fix" in finding ? [line, `        fix: ${finding.fix}`] : [line];
  });
  const count = (state: CheckResult["finding"]["state"]) =>
    results.filter(({ finding }) => finding.state === state).length;
  const warnings = `${count("warning")} ${count("warning") === 1 ? "warning" : "warnings"}`;
  const total = `${count("ok")} ok, ${count("failed")} failed, ${warnings}, ${count("skipped")} skipped`;
  return `${program} ${version} doctor, ${config}\n\n${lines.join("\n")}\n\n${total}\n`;
}

/** For programs: the same as one JSON document. */
export function renderReportJson(report: DoctorReport): string {
  const { results, ...head } = report;
  const checks = results.map(({ finding, ...check }) => ({ ...check, ...finding }));
  return `${JSON.stringify({ ...head, ok: isWell(report), checks }, null, 2)}\n`;
}
