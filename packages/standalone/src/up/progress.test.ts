import assert from "node:assert/strict";
import { test } from "node:test";
import { table } from "./progress.ts";

test("columns are as wide as their widest cell", () => {
  assert.equal(
    table([
      ["A", "B"],
      ["long", "x"],
      ["", "y"],
    ]),
    "A      B\nlong   x\n       y",
  );
});
