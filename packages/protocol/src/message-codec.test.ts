import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newMessage } from "./message.ts";
import { decodeMessage, encodeMessage, MESSAGE_BYTES_MAX } from "./message-codec.ts";
import { ProtocolError } from "./protocol-error.ts";
import { FRAME_VECTORS } from "./vectors.test-data.ts";

for (const { name, message, ws_payload_hex } of FRAME_VECTORS) {
  const payload = Buffer.from(ws_payload_hex, "hex");

  test(`decodes the recorded ${name}, from text and from bytes`, () => {
    assert.deepEqual(decodeMessage(payload), message);
    assert.deepEqual(decodeMessage(payload.toString("utf8")), message);
  });

  test(`encodes ${name} as the recorded text means it, with a line feed`, () => {
    const text = encodeMessage(message);
    assert.ok(text.endsWith("}\n"));
    assert.deepEqual(JSON.parse(text), JSON.parse(payload.toString("utf8")));
  });
}

const header = { msg_id: "a", timestamp: 1 };
const refused: { name: string; data: string | Uint8Array; code: string; member?: string }[] = [
  { name: "an empty message", data: "", code: "EmptyMessage" },
  { name: "a message of white space", data: " \n", code: "EmptyMessage" },
  { name: "text that is not JSON", data: "hello", code: "InvalidJson" },
  { name: "JSON that is cut", data: `{"header":{"msg_id":"a"`, code: "InvalidJson" },
  { name: "an array", data: "[]", code: "InvalidMember", member: "message" },
  { name: "null", data: "null", code: "InvalidMember", member: "message" },
  { name: "a header that is text", data: `{"header":"x"}`, code: "InvalidMember", member: "header" },
  { name: "a route that is a list", data: `{"route":[]}`, code: "InvalidMember", member: "route" },
  { name: "a number as id", data: `{"header":{"msg_id":7}}`, code: "InvalidMember", member: "header.msg_id" },
  {
    name: "a text as timestamp",
    data: `{"header":{"timestamp":"1"}}`,
    code: "InvalidMember",
    member: "header.timestamp",
  },
  { name: "a text as sync", data: `{"header":{"sync":"yes"}}`, code: "InvalidMember", member: "header.sync" },
  { name: "an object as resource", data: `{"route":{"resource":{}}}`, code: "InvalidMember", member: "route.resource" },
  { name: "bytes over the limit", data: new Uint8Array(MESSAGE_BYTES_MAX + 1), code: "MessageTooLarge" },
];
for (const { name, data, code, member } of refused)
  test(`refuses ${name}`, () =>
    assert.throws(
      () => decodeMessage(data),
      (error) =>
        error instanceof ProtocolError &&
        error.code === code &&
        (member === undefined || (error.details.code === "InvalidMember" && error.details.member === member)),
    ));

test("reads the first JSON value and ignores what follows", () => {
  const message = { header, route: {}, content: 'a "}" b' };
  assert.deepEqual(decodeMessage(`${JSON.stringify(message)}\n{"more`), message);
});

test("takes absent, null and unknown members as a Go peer does", () => {
  const text = `{"header":{"msg_id":"a","timestamp":1,"new":{}},"route":{"source":null,"group":""},"future":1}`;
  assert.deepEqual(decodeMessage(text), { header, route: {}, content: null });
  assert.deepEqual(decodeMessage("{}"), { header: { msg_id: "", timestamp: 0 }, route: {}, content: null });
});

test("leaves out empty members, never content, and never sends sync", () => {
  const text = encodeMessage({
    header: { ...header, parent_msg_id: "", sync: true },
    route: { source: "", resource: "node" },
    content: undefined,
  });
  assert.equal(text, `{"header":{"msg_id":"a","timestamp":1},"route":{"resource":"node"},"content":null}\n`);
});

test("sends bytes as base64", () => {
  const text = encodeMessage({ header, route: {}, content: new Uint8Array([104, 105]) });
  assert.deepEqual(decodeMessage(text).content, "aGk=");
});

test("refuses to send more than a peer takes", () => {
  const message = newMessage({
    source: "s",
    group: "g",
    operation: "o",
    resource: "r",
    content: "x".repeat(MESSAGE_BYTES_MAX),
  });
  assert.throws(() => encodeMessage(message), { code: "MessageTooLarge" });
});

test("what is encoded is decoded to the same, whatever the content", () => {
  const text = fc.string({ unit: "binary", minLength: 1 });
  const message = fc.record({
    header: fc.record({ msg_id: text, timestamp: fc.nat(), resourceversion: text }),
    route: fc.record({ source: text, group: text, operation: text, resource: text }),
    content: fc.jsonValue({ noUnicodeString: false }),
  });
  fc.assert(
    fc.property(message, (sent) =>
      assert.deepEqual(decodeMessage(encodeMessage(sent)), JSON.parse(JSON.stringify(sent))),
    ),
  );
});

test("bytes of any kind give a message or a ProtocolError", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => Buffer.from(json)),
      ),
      (data) => {
        try {
          decodeMessage(data);
        } catch (error) {
          assert.ok(error instanceof ProtocolError);
        }
      },
    ),
  );
});

test("deep nesting is an ordinary message, not a crash", () => {
  const depth = 100_000;
  const text = `{"header":{},"route":{},"content":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  assert.ok(Array.isArray(decodeMessage(text).content));
});
