import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newMessage } from "./message.ts";
import { JSON_DEPTH_MAX, JSON_VALUES_MAX } from "./json-shape.ts";
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
  { name: "a timestamp beyond all numbers", data: `{"header":{"timestamp":1e999}}`, code: "InvalidMember" },
  { name: "bytes that are not UTF-8", data: Buffer.from(`{"content":"\xff"}`, "latin1"), code: "InvalidUtf8" },
  { name: "half of a character", data: Buffer.from(`{"content":"\xe2\x82"}`, "latin1"), code: "InvalidUtf8" },
  { name: "32 MiB of [", data: "[".repeat(MESSAGE_BYTES_MAX), code: "MessageTooComplex" },
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

test("nesting has a limit that no object comes near, and all within it can be passed on", () => {
  const nested = (depth: number) => `{"content":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  const message = decodeMessage(nested(JSON_DEPTH_MAX - 1));
  assert.ok(encodeMessage(message).includes("[".repeat(JSON_DEPTH_MAX - 1)));
  assert.throws(() => decodeMessage(nested(JSON_DEPTH_MAX)), { code: "MessageTooComplex" });
});

test("brackets and commas in texts are no structure", () => {
  const content = "[,".repeat(JSON_DEPTH_MAX * 2) + '\\"[';
  assert.equal(decodeMessage(encodeMessage({ header, route: {}, content })).content, content);
});

test("a message of few bytes and many values does not take all memory", () => {
  const text = `{"content":[${"{},".repeat(JSON_VALUES_MAX)}{}]}`;
  assert.throws(() => decodeMessage(text), { code: "MessageTooComplex" });
});

test("what a limit refuses is not read on: trailing text does not count", () => {
  assert.equal(decodeMessage(`{"content":7}${"[".repeat(JSON_DEPTH_MAX * 2)}`).content, 7);
});

test("a __proto__ member is a member like any other, and changes no prototype", () => {
  const text = `{"__proto__":{"header":{"msg_id":"evil"}},"header":{"__proto__":{"type":"evil"},"msg_id":"a"},
    "route":{"__proto__":{"source":"evil"}},"content":{"__proto__":{"polluted":true}}}`;
  const message = decodeMessage(text);
  assert.deepEqual(message.header, { msg_id: "a", timestamp: 0 });
  assert.equal(message.header.type, undefined);
  assert.equal(message.route.source, undefined);
  assert.deepEqual(Object.keys(message.content as object), ["__proto__"]);
  assert.equal(Object.getPrototypeOf(message.content), Object.prototype);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  assert.ok(encodeMessage(message).includes(`{"__proto__":{"polluted":true}}`), "a ConfigMap may have such a key");
});

test("of a member that comes twice, the last counts", () => {
  assert.equal(decodeMessage(`{"header":{"msg_id":"a","msg_id":"b"},"content":1,"content":2}`).header.msg_id, "b");
});

test("half of a surrogate pair stays what it is", () => {
  const text = encodeMessage({ header, route: {}, content: "\ud800" });
  assert.ok(text.includes(String.raw`"\ud800"`), "escaped: as bytes it would be lost");
  assert.equal(decodeMessage(Buffer.from(text)).content, "\ud800");
});

test("numbers are doubles: beyond 2^53 the nearest one, beyond 10^308 none", () => {
  const { content } = decodeMessage(`{"content":[9007199254740993,1e999,-0,0.1]}`);
  assert.deepEqual(content, [9007199254740992, Infinity, -0, 0.1]);
  assert.ok(encodeMessage({ header, route: {}, content }).includes("[9007199254740992,null,0,0.1]"));
});

test("the limit of a message is one of bytes, not of characters", () => {
  const content = "\u20ac".repeat(MESSAGE_BYTES_MAX / 3);
  assert.throws(() => encodeMessage({ header, route: {}, content }), { code: "MessageTooLarge" });
});

/** What may come instead of a recorded frame: bytes changed, lost, doubled, and ends of other frames. */
const mutated = fc
  .tuple(
    fc.constantFrom(...FRAME_VECTORS),
    fc.constantFrom(...FRAME_VECTORS),
    fc.array(fc.record({ at: fc.nat(), length: fc.nat(8), bytes: fc.uint8Array({ maxLength: 8 }) }), { maxLength: 4 }),
    fc.option(fc.nat()),
  )
  .map(([{ ws_payload_hex: hex }, { ws_payload_hex: other }, edits, splice]) => {
    let data = Buffer.from(hex, "hex");
    for (const { at, length, bytes } of edits) {
      const from = at % data.length;
      data = Buffer.concat([data.subarray(0, from), bytes, data.subarray(from + length)]);
      if (data.length === 0) return data;
    }
    if (splice === null) return data;
    const tail = Buffer.from(other, "hex");
    return Buffer.concat([data.subarray(0, splice % data.length), tail.subarray(splice % tail.length)]);
  });

test("bytes of any kind give a well-formed message or a ProtocolError", () => {
  const json = fc.json({ noUnicodeString: false }).map((text) => Buffer.from(text));
  const text = fc.option(fc.string(), { nil: undefined });
  const almost = fc
    .record({
      header: fc.oneof(fc.jsonValue(), fc.record({ msg_id: fc.jsonValue(), seq: fc.jsonValue(), timestamp: fc.nat() })),
      route: fc.oneof(fc.jsonValue(), fc.record({ source: text, resource: fc.oneof(text, fc.jsonValue()) })),
      content: fc.jsonValue(),
    })
    .map((message) => Buffer.from(JSON.stringify(message)));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), json, almost, mutated), (data) => {
      let message;
      try {
        message = decodeMessage(data);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
        return;
      }
      const { header: head, route } = message;
      assert.equal(typeof head.msg_id, "string");
      assert.ok(Number.isFinite(head.timestamp));
      for (const value of Object.values(route)) assert.ok(typeof value === "string" && value !== "");
      decodeMessage(encodeMessage(message)); // what was taken can be passed on
    }),
    { numRuns: 2_000 },
  );
});
