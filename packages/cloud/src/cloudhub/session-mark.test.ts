import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "@kedge/kube";
import { formatMark, readMark, SESSION_ANNOTATION, sessionEpoch } from "./session-mark.ts";

const nodeWith = (mark: string): Node => ({ metadata: { name: "n", annotations: { [SESSION_ANNOTATION]: mark } } });

test("a mark reads as it was written", () => {
  const mark = { turn: 12, holder: "0a1b2c3d" };
  assert.deepEqual(readMark(nodeWith(formatMark(mark))), mark);
});

for (const text of ["", "1", "x 0a1b2c3d", "1 nobody", "-1 0a1b2c3d", "999999999 0a1b2c3d", "1 0a1b2c3d 2"])
  test(`"${text}" is no mark`, () => assert.equal(readMark(nodeWith(text)), undefined));

test("a Node without annotations has none", () => {
  assert.equal(readMark({ metadata: { name: "n" } }), undefined);
  assert.equal(readMark(undefined), undefined);
});

test("epochs grow with each session of a process, and with each turn", () => {
  const epochs = [sessionEpoch(1, 1), sessionEpoch(1, 2), sessionEpoch(2, 1), sessionEpoch(99_999_999, 2 ** 24 - 1)];
  assert.deepEqual(
    epochs,
    epochs.toSorted((a, b) => a - b),
  );
  assert.ok(epochs.every(Number.isSafeInteger));
});
