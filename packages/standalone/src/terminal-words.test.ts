import assert from "node:assert/strict";
import { test } from "node:test";
import { oneLine, whenInterrupted } from "./terminal-words.ts";

test("a suggestion does not break the line", () => {
  assert.equal(
    oneLine("error: unknown option '--state-dr'\n(Did you mean --state-dir?)\n"),
    "unknown option '--state-dr' (Did you mean --state-dir?)",
  );
});

test("after Ctrl-C it is said how to go on, with the same state directory", () => {
  assert.equal(whenInterrupted("up", []), "interrupted; ./kedge up goes on, ./kedge down stops what runs");
  assert.equal(
    whenInterrupted("up", ["--no-sample", "--state-dir", "/x"]),
    "interrupted; ./kedge up --state-dir /x goes on, ./kedge down --state-dir /x stops what runs",
  );
  assert.equal(whenInterrupted("down", ["--state-dir=/x"]), "interrupted; ./kedge down --state-dir /x goes on");
  assert.equal(whenInterrupted("status", []), "interrupted");
});
