/**
 * Every check and every test, as `./kedge test` and CI run them. `./kedge test PATTERN` runs the test files whose path
 * contains PATTERN, and no static checks; `--faults` runs the long form of the fault tests, `--long` that of the pod tests. The last line
 * is `N passed, N failed, N skipped`.
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import type { TestEvent } from "node:test/reporters";
import { prepareKubeEdge } from "./prepare-kubeedge.ts";
import { prepareKubelet } from "./prepare-kubelet.ts";
import { prepareKubernetes } from "./prepare-kubernetes.ts";
import { prepareMetricsServer } from "./prepare-metrics-server.ts";

const root = new URL("..", import.meta.url).pathname;
const bin = (name: string) => `${root}node_modules/.bin/${name}`;

interface Check {
  readonly name: string;
  readonly command: readonly string[];
}

const CHECKS: readonly Check[] = [
  { name: "types (tsc)", command: [bin("tsc"), "-p", "."] },
  { name: "format (oxfmt)", command: [bin("oxfmt"), "--check", "."] },
  { name: "lint (oxlint, type-aware)", command: [bin("oxlint"), "--type-aware", "--deny-warnings"] },
  { name: "layers", command: [process.execPath, "scripts/check-layers.ts"] },
  {
    name: "dead code (knip)",
    command: [process.execPath, `${root}node_modules/knip/bin/knip.js`, "--no-config-hints"],
  },
];

/** In this order: what fails fast comes first. End-to-end tests own ports and cgroups of the machine, so they run alone. */
const SUITES = [
  { name: "unit", files: ["packages/*/src/**/*.test.ts", "scripts/**/*.test.ts"], concurrency: 2 },
  { name: "integration", files: ["packages/*/test/**/*.itest.ts"], concurrency: 2 },
  { name: "end to end", files: ["test/**/*.e2e.ts"], concurrency: 1 },
] as const;

const TEST_FILE_TIMEOUT_MS = 20 * 60_000;
const LONG_FORM_TIMEOUT_MS = 3 * 60 * 60_000;

/** By their option: which tests, and the variable in which they find that they are to take their time. */
const LONG_FORMS: Readonly<Record<string, { pattern: string; variable: string; value: string }>> = {
  "--faults": { pattern: "test/faults/", variable: "KEDGE_FAULTS", value: "long" },
  "--long": { pattern: "test/pods/", variable: "KEDGE_LONG", value: "1" },
};
const longForm = LONG_FORMS[process.argv[2] ?? ""];
if (longForm !== undefined) process.env[longForm.variable] = longForm.value;

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  readonly notes: string[];
}

async function runCheck(check: Check, tally: Tally): Promise<void> {
  const started = performance.now();
  const [program = "", ...args] = check.command;
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (code === 0) {
    tally.passed += 1;
    console.log(`✔ ${check.name} (${seconds} s)`);
    return;
  }
  tally.failed += 1;
  console.log(`✖ ${check.name} (${seconds} s)\n${output}`);
}

function isHookFailure(details: object): boolean {
  const { error } = details as { error?: { failureType?: string } };
  return error?.failureType === "hookFailed";
}

async function runSuite(files: string[], concurrency: number, tally: Tally): Promise<void> {
  if (files.length === 0) return;
  const events = run({
    files,
    concurrency,
    cwd: root,
    timeout: longForm === undefined ? TEST_FILE_TIMEOUT_MS : LONG_FORM_TIMEOUT_MS,
  });
  const count = (data: Extract<TestEvent, { type: "test:pass" | "test:fail" }>["data"], passed: boolean): void => {
    const isFile = data.nesting === 0 && data.file !== undefined && data.name === data.file;
    if (isFile && passed) return; // a file is not a test of its own; one that fails to load is
    const isSkipped = data.skip !== undefined && data.skip !== false;
    // A suite's tests are counted, not the suite; but of one that is skipped none is, and no test tells of a failed hook.
    if (data.details.type === "suite" && !isSkipped && !isHookFailure(data.details)) return;
    if (isSkipped) {
      tally.skipped += 1;
      tally.notes.push(
        `skipped: ${data.name}${typeof data.skip === "string" && data.skip !== "" ? `: ${data.skip}` : ""}`,
      );
    } else if (passed) tally.passed += 1;
    else {
      tally.failed += 1;
      tally.notes.push(`failed: ${data.name} (${data.file ?? "?"}:${data.line ?? 0})`);
    }
  };
  events.on("test:pass", (data) => count(data, true));
  events.on("test:fail", (data) => count(data, false));
  const report = events.compose(spec);
  report.pipe(process.stdout, { end: false });
  await finished(report);
}

const pattern = longForm?.pattern ?? process.argv[2];
const isWanted = (file: string): boolean => pattern === undefined || file.includes(pattern);
const tally: Tally = { passed: 0, failed: 0, skipped: 0, notes: [] };
if (pattern === undefined) for (const check of CHECKS) await runCheck(check, tally);
console.log(await prepareKubernetes());
if (globSync("test/interop/*.e2e.ts", { cwd: root }).some(isWanted)) console.log(await prepareKubeEdge());
if (isWanted("test/e2e/metrics-server.e2e.ts")) console.log(await prepareMetricsServer());
if (longForm?.variable === "KEDGE_LONG") console.log(await prepareKubelet());
for (const suite of SUITES) {
  const files = globSync([...suite.files], { cwd: root })
    .filter(isWanted)
    .toSorted();
  if (files.length > 0) console.log(`\n${suite.name}: ${files.length} files`);
  await runSuite(
    files.map((file) => root + file),
    suite.concurrency,
    tally,
  );
}
if (pattern !== undefined && tally.passed + tally.failed + tally.skipped === 0)
  console.log(`no test file's path contains '${pattern}'`);
for (const note of tally.notes) console.log(note);
console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
