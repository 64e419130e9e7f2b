import assert from "node:assert/strict";
import { test } from "node:test";
import { readNodeName, readPort, readStateDir } from "./read-options.ts";

const cases: readonly { name: string; read: () => unknown; says: RegExp }[] = [
  {
    name: "a name in capitals",
    read: () => readNodeName("BAD"),
    says: /^--node-name "BAD" is no node name: use lower-case/,
  },
  { name: "an empty name", read: () => readNodeName(""), says: /^--node-name "" is no node name/ },
  {
    name: "a port that is a word",
    read: () => readPort("--api-port")("x"),
    says: /^--api-port "x" is no port number: give/,
  },
  { name: "an empty port", read: () => readPort("--api-port")(""), says: /no port number/ },
  { name: "a port beyond the last", read: () => readPort("--api-port")("65536"), says: /from 0 to 65535/ },
  { name: "an empty folder", read: () => readStateDir(""), says: /^--state-dir is empty: name a folder/ },
];
for (const { name, read, says } of cases)
  test(`refuses ${name}: what, where, what to do`, () => assert.throws(read, { code: "UserError", message: says }));

test("takes what is right", () => {
  assert.deepEqual([readNodeName("edge-1.a"), readPort("--p")("0"), readStateDir("x")], ["edge-1.a", 0, "x"]);
});
