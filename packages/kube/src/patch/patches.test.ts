import assert from "node:assert/strict";
import { test } from "node:test";
import { applyJsonPatch } from "./json-patch.ts";
import { applyMergePatch } from "./merge-patch.ts";
import { PatchError } from "./patch-error.ts";

test("a JSON patch applies all its operations to a copy", () => {
  const original = { a: { b: [1, 2] }, "x/y": 1 };
  const patched = applyJsonPatch(original, [
    { op: "test", path: "/a/b/0", value: 1 },
    { op: "add", path: "/a/b/-", value: 3 },
    { op: "remove", path: "/x~1y" },
    { op: "copy", from: "/a/b", path: "/c" },
  ]);
  assert.deepEqual(patched, { a: { b: [1, 2, 3] }, c: [1, 2, 3] });
  assert.deepEqual(original, { a: { b: [1, 2] }, "x/y": 1 });
});

test("a JSON patch finds members by any name, and items from the end", () => {
  const patched = applyJsonPatch({ constructor: { x: 1 }, l: [1, 2, 3] }, [
    { op: "replace", path: "/constructor/x", value: 2 },
    { op: "replace", path: "/l/-1", value: 9 },
    { op: "move", from: "/l/0", path: "/l/-" },
    { op: "add", path: "/toString", value: "own" },
    { op: "test", path: "/l", value: [2, 9, 1] },
  ]);
  assert.deepEqual({ ...patched }, { constructor: { x: 2 }, l: [2, 9, 1], toString: "own" });
});

const refused: { name: string; patch: unknown; code: string }[] = [
  { name: "an object", patch: {}, code: "Malformed" },
  { name: "an unknown operation", patch: [{ op: "sum", path: "/a" }], code: "Malformed" },
  { name: "an inherited operation name", patch: [{ op: "constructor", path: "/a" }], code: "Malformed" },
  { name: "a missing value", patch: [{ op: "add", path: "/a" }], code: "Malformed" },
  { name: "a path that is no pointer", patch: [{ op: "remove", path: "a" }], code: "Malformed" },
  { name: "a missing path", patch: [{ op: "remove", path: "/nope" }], code: "Unappliable" },
  { name: "a failing test", patch: [{ op: "test", path: "/a", value: 2 }], code: "Unappliable" },
  { name: "a root that is no object", patch: [{ op: "replace", path: "", value: 2 }], code: "Unappliable" },
  { name: "a list's item that is not there", patch: [{ op: "replace", path: "/l/1", value: 2 }], code: "Unappliable" },
  { name: "a list's place beyond its end", patch: [{ op: "add", path: "/l/2", value: 2 }], code: "Unappliable" },
  { name: "an index that is no number", patch: [{ op: "add", path: "/l/x", value: 2 }], code: "Unappliable" },
  { name: "a place within a number", patch: [{ op: "add", path: "/a/b", value: 2 }], code: "Unappliable" },
  { name: "a move into itself", patch: [{ op: "move", from: "/l", path: "/l/0" }], code: "Unappliable" },
  { name: "an inherited member", patch: [{ op: "add", path: "/hasOwnProperty/call", value: 1 }], code: "Unappliable" },
  {
    name: "an inherited method of a list",
    patch: [{ op: "add", path: "/l/push/call", value: 1 }],
    code: "Unappliable",
  },
  {
    name: "copies that double the document again and again",
    patch: Array.from({ length: 40 }, (_, i) => ({ op: "copy", from: "", path: `/copy${i}` })),
    code: "Malformed",
  },
  { name: "__proto__ in a path", patch: [{ op: "add", path: "/__proto__/x", value: 1 }], code: "Forbidden" },
  {
    name: "__proto__ in a value",
    patch: JSON.parse(`[{"op":"add","path":"/b","value":{"__proto__":{"x":1}}}]`) as unknown,
    code: "Forbidden",
  },
];
for (const { name, patch, code } of refused)
  test(`a JSON patch is refused for ${name}`, () =>
    assert.throws(
      () => applyJsonPatch({ a: 1, l: [1] }, patch),
      (error) => error instanceof PatchError && error.code === code,
    ));

test("a merge patch removes by null, replaces lists and merges objects", () => {
  const original = { a: { b: 1, c: 2 }, l: [1, 2], gone: 1 };
  assert.deepEqual(applyMergePatch(original, { a: { b: null, d: { e: null, f: 1 } }, l: [3], gone: null }), {
    a: { c: 2, d: { f: 1 } },
    l: [3],
  });
});

test("a merge patch must be an object and must not reach prototypes", () => {
  assert.throws(() => applyMergePatch({}, []), PatchError);
  assert.throws(() => applyMergePatch({}, JSON.parse(`{"a":{"__proto__":{"x":1}}}`)), PatchError);
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
});

test("a label may be called constructor", () => {
  assert.deepEqual(applyMergePatch({ labels: {} }, { labels: { constructor: "x" } }), {
    labels: { constructor: "x" },
  });
});
