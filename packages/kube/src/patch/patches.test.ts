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

const refused: { name: string; patch: unknown; code: string }[] = [
  { name: "an object", patch: {}, code: "Malformed" },
  { name: "an unknown operation", patch: [{ op: "sum", path: "/a" }], code: "Malformed" },
  { name: "an inherited operation name", patch: [{ op: "constructor", path: "/a" }], code: "Malformed" },
  { name: "a missing value", patch: [{ op: "add", path: "/a" }], code: "Malformed" },
  { name: "a path that is no pointer", patch: [{ op: "remove", path: "a" }], code: "Malformed" },
  { name: "a missing path", patch: [{ op: "remove", path: "/nope" }], code: "Unappliable" },
  { name: "a failing test", patch: [{ op: "test", path: "/a", value: 2 }], code: "Unappliable" },
  { name: "a root that is no object", patch: [{ op: "replace", path: "", value: 2 }], code: "Unappliable" },
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
      () => applyJsonPatch({ a: 1 }, patch),
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
