/**
 * Writes the table of docs/LIMITS.md from the sources: every constant called `…_MAX` with its value and what its comment
 * says. `node scripts/generate-limits.ts` writes; the test beside this file fails when the table is not current.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const file = join(root, "docs/LIMITS.md");
const BEGIN = "<!-- limits: written by scripts/generate-limits.ts -->";
const END = "<!-- /limits -->";

interface Limit {
  readonly source: string;
  readonly name: string;
  readonly value: string;
  readonly comment: string;
}

const CONSTANT =
  /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n|((?:\/\/[^\n]*\n)+))?^(?:export )?const ([A-Z][A-Z0-9_]*_MAX(?:_[A-Z]+)*|MAX_[A-Z]+) = ([^;\n]+);(?:[ \t]*\/\/ ?([^\n]*))?/gm;

function limitsIn(path: string): Limit[] {
  const text = readFileSync(join(root, path), "utf8");
  return [...text.matchAll(CONSTANT)]
    .filter(([, , , , value = ""]) => /^[\d(]|\*|_MAX/.test(value) && !value.startsWith('"'))
    .map(([, block = "", lines = "", name = "", value = "", trailing = ""]) => ({
      source: path.replace(/^packages\//, "").replace("/src/", "/"),
      name,
      value: value.replaceAll("_", "").trim(),
      comment: `${block}${lines.replaceAll("//", "")} ${trailing}`
        .replaceAll(/^\s*\*/gm, "")
        .replaceAll(/\s+/g, " ")
        .trim(),
    }));
}

function tableOfLimits(): string {
  const limits = globSync("packages/*/src/**/*.ts", { cwd: root })
    .filter((path) => !/\.test(-data)?\.ts$|\/generated\//.test(path))
    .toSorted()
    .flatMap(limitsIn);
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = limits.map(
    ({ name, value, comment, source }) => `| \`${name}\` | ${cell(value)} | ${cell(comment)} | ${source} |`,
  );
  return [BEGIN, "", "| limit | value | what it bounds | where |", "| --- | --- | --- | --- |", ...rows, "", END].join(
    "\n",
  );
}

/** docs/LIMITS.md as it should be. */
export function currentLimits(): { readonly actual: string; readonly expected: string } {
  const actual = readFileSync(file, "utf8");
  const expected =
    actual.slice(0, actual.indexOf(BEGIN)) + tableOfLimits() + actual.slice(actual.indexOf(END) + END.length);
  return { actual, expected };
}

if (import.meta.main) writeFileSync(file, currentLimits().expected);
