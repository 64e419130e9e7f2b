import assert from "node:assert/strict";
import { test } from "node:test";
import { warningHeaders } from "./warnings.ts";

test("no warning, no header", () => assert.deepEqual(warningHeaders([]), {}));
test("quotes what would break the header", () =>
  assert.deepEqual(warningHeaders(['unknown field "a"', "line\r\nbreak ü"]), {
    warning: '299 - "unknown field \\"a\\"", 299 - "line??break ?"',
  }));
test("is bounded", () =>
  assert.ok((warningHeaders(Array(1000).fill("x".repeat(1000)))["warning"] ?? "").length < 10_000));
