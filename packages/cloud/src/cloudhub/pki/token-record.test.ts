import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { signToken } from "./json-web-token.ts";
import {
  expectUsable,
  readTokenSecret,
  TOKEN_SECRET_TYPE,
  tokenHash,
  type TokenRecord,
  tokenSecretData,
  tokenSecretName,
} from "./token-record.ts";

const id = "0123456789abcdef";
const jwt = signToken({ jti: id }, Buffer.from("key"));
const now = Date.parse("2026-11-20T10:00:00Z");
const record: TokenRecord = { id, createdMs: now, expiresMs: now + 3_600_000, uses: 0, hash: tokenHash(jwt) };
const secretOf = (of: TokenRecord) => ({
  metadata: { name: tokenSecretName(of.id) },
  type: TOKEN_SECRET_TYPE,
  data: tokenSecretData(of),
});

suite("a token's record", () => {
  const full: TokenRecord = {
    ...record,
    node: "edge-1",
    description: "the shed – Süd",
    uses: 3,
    usesMax: 5,
    lastUse: { node: "edge-1", atMs: now, address: "192.0.2.1" },
  };
  for (const [what, of] of Object.entries({ "with everything": full, "with what is necessary": record }))
    test(`${what}, is read as it was written`, () =>
      assert.deepEqual(withoutUndefined(readTokenSecret(secretOf(of))), of));

  test("holds nothing with which one could join", () => {
    const values = Object.values(tokenSecretData(full)).map((value) => Buffer.from(value, "base64").toString());
    for (const part of jwt.split(".")) assert.ok(!values.some((value) => value.includes(part)));
  });

  const damage: Readonly<Record<string, (secret: ReturnType<typeof secretOf>) => object>> = {
    "of another type": (secret) => ({ ...secret, type: "Opaque" }),
    "of another name": (secret) => ({ ...secret, metadata: { name: "join-token-key" } }),
    "without data": (secret) => ({ ...secret, data: undefined }),
    "with uses that are no number": (secret) => ({ ...secret, data: { ...secret.data, uses: "LTE=" } }),
    "with a limit that is no number": (secret) => ({ ...secret, data: { ...secret.data, usesMax: "eA==" } }),
    "with an end that is no time": (secret) => ({ ...secret, data: { ...secret.data, expires: "eA==" } }),
  };
  for (const [what, spoil] of Object.entries(damage))
    test(`${what}, lets nobody in`, () => assert.equal(readTokenSecret(spoil(secretOf(full))), undefined));
});

suite("W10: whether a token lets a node join", () => {
  const cases: readonly {
    readonly name: string;
    readonly change?: Partial<TokenRecord>;
    readonly node?: string;
    readonly given?: string;
    readonly at?: number;
    readonly code?: string;
  }[] = [
    { name: "any node, any number of times", change: { uses: 1_000 } },
    { name: "the node that it is for", change: { node: "edge-1" } },
    { name: "not another node", change: { node: "edge-1" }, node: "edge-2", code: "TokenOfOtherNode" },
    { name: "until it ends", at: now + 3_599_999 },
    { name: "not when it has ended", at: now + 3_600_000, code: "TokenExpired" },
    { name: "the last of its uses", change: { uses: 1, usesMax: 2 } },
    { name: "not once more", change: { uses: 2, usesMax: 2 }, code: "TokenUsedUp" },
    {
      name: "not with other claims, whoever signed them",
      given: signToken({ jti: id, node: "x" }, Buffer.from("key")),
      code: "TokenUnknown",
    },
  ];
  for (const { name, change = {}, node = "edge-1", given = jwt, at = now, code } of cases)
    test(name, () => {
      const check = () => expectUsable({ ...record, ...change }, given, node, at);
      if (code === undefined) check();
      else assert.throws(check, { code });
    });
});

function withoutUndefined(value: object | undefined): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}
