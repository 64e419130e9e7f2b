import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeContinueToken, encodeContinueToken } from "./continue-token.ts";

test("reads what it wrote", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1 }), fc.string({ maxLength: 300 }), (revision, startAfter) => {
      assert.deepEqual(decodeContinueToken(encodeContinueToken({ revision, startAfter })), { revision, startAfter });
    }),
  );
});

const bad = [
  "",
  "nonsense",
  Buffer.from("null").toString("base64url"),
  Buffer.from('{"v":"other","rv":1,"start":"a"}').toString("base64url"),
  Buffer.from('{"v":"kedge/v1","rv":0,"start":"a"}').toString("base64url"),
  Buffer.from('{"v":"kedge/v1","rv":1e99,"start":"a"}').toString("base64url"),
  "A".repeat(5000),
];
for (const token of bad)
  test(`refuses ${JSON.stringify(token.slice(0, 40))}`, () => assert.equal(decodeContinueToken(token), undefined));
