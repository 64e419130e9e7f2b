import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { THEMES } from "../test/pods/cases/all.ts";

const CASES_MIN = 150;
const cases = THEMES.flatMap(({ name: theme, cases: all }) => all.map((each) => ({ ...each, theme })));
const document = readFileSync(join(import.meta.dirname, "../docs/KUBERNETES.md"), "utf8");

test(`the pod suite has ${CASES_MIN} cases and more, each with a name of its own`, () => {
  assert.ok(cases.length >= CASES_MIN, `${cases.length} cases`);
  const names = cases.map(({ theme, name }) => `${theme}: ${name}`);
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
});

test("docs/KUBERNETES.md lists just the cases in which Kedge differs from a kubelet, with the reasons that they give", () => {
  const [, table = ""] = /<!-- differs -->\n([^]*?)<!-- \/differs -->/.exec(document) ?? [];
  const rows = table.split("\n").filter(Boolean);
  const expected = cases.flatMap(({ theme, name, differs }) =>
    differs === undefined ? [] : [`| ${theme} | ${name} | ${differs.why} |`],
  );
  assert.deepEqual(rows, expected);
});
