import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "@kedge/runtime";
import { readBody, readLines } from "./read-body.ts";

async function* inChunks(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let [start, turn] = [0, 0]; start < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(start, start + size);
    start += size;
  }
}

test("finds the same lines however the stream is cut, also within a character", async () => {
  const line = fc.string({ unit: "binary" }).map((text) => text.replace(/\s/gu, "é"));
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      async (lines, sizes) => {
        const text = lines.map((each) => `${each}\n`).join("");
        const expected = text
          .split("\n")
          .filter((each) => each.trim() !== "")
          .map((each) => each.trim());
        assert.deepEqual(await Array.fromAsync(readLines(inChunks(text, sizes), 1_000)), expected);
      },
    ),
  );
});

test("gives up on a line or a body that does not end", async () => {
  const endless = inChunks("x".repeat(100), [10]);
  await assert.rejects(Array.fromAsync(readLines(endless, 50)), (error: unknown) => hasCode(error, "ResponseTooLarge"));
  const large = inChunks("x".repeat(100), [10]);
  await assert.rejects(readBody(large, 99), (error: unknown) => hasCode(error, "ResponseTooLarge"));
  assert.equal(await readBody(inChunks("héllo", [1]), 99), "héllo");
});
