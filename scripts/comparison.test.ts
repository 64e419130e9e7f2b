import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";

const WEAKNESSES = 49;
const docs = join(import.meta.dirname, "..", "docs");
const text = readFileSync(join(docs, "COMPARISON.md"), "utf8");
const [compared = "", absent = ""] = text.split("## Not there yet");

interface Row {
  readonly about: string;
  readonly tests: readonly { readonly title: string; readonly file: string }[];
}

/** Rows of all tables, without their heads; the last cell names the tests. */
const rows: Row[] = [...compared.matchAll(/^\| (?!\||---)(.*) \|$/gm)].map(([, line = ""]) => {
  const cells = line.split(" | ");
  const tests = [...(cells.at(-1) ?? "").matchAll(/\[`([^`]+)`\]\(([^)]+)\)/g)];
  return { about: cells[0] ?? "", tests: tests.map(([, title = "", file = ""]) => ({ title, file })) };
});

/** Whether a test, a suite or a case of a table has exactly this name. */
function hasTest(file: string, title: string): boolean {
  const source = readFileSync(file, "utf8");
  const name = title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(String.raw`(?:\b(?:test|suite|describe)\(\s*|\bname: )["\`]${name}["\`]`).test(source);
}

suite("docs/COMPARISON.md", () => {
  for (const { about, tests } of rows)
    test(`${about}: its tests are there`, () => {
      assert.notEqual(tests.length, 0, "a row needs a test");
      for (const { title, file } of tests) {
        const path = join(docs, file);
        assert.ok(existsSync(path), `there is no ${file}`);
        assert.ok(hasTest(path, title), `${file} has no test called "${title}"`);
      }
      if (!/^W\d+$/.test(about)) return;
      for (const { title } of tests) assert.match(title, new RegExp(`^([^:]*, )?${about}(, [^:]*)?: `));
    });

  test("each weakness has a row, or its part is not there yet", () => {
    const inRows = rows.map(({ about }) => about).filter((about) => /^W\d+$/.test(about));
    const inList = [...absent.matchAll(/^\| .* \| (W\d+(?:, W\d+)*)/gm)].flatMap(([, list = ""]) => list.split(", "));
    assert.deepEqual(
      [...inRows, ...inList].toSorted((left, right) => Number(left.slice(1)) - Number(right.slice(1))),
      Array.from({ length: WEAKNESSES }, (_, at) => `W${at + 1}`),
    );
  });
});
