import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "@kedge/runtime";
import { DBUS_SIGNAL, readDbusMessage, writeDbusMessage } from "./dbus-message.ts";

test("reads what it wrote", () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 32 - 1),
      fc.stringMatching(/^[a-z]{1,20}$/),
      fc.string(),
      fc.boolean(),
      fc.bigInt(0n, 2n ** 64n - 1n),
      (serial, member, text, flag, big) => {
        const head = { type: DBUS_SIGNAL, serial, fields: { path: "/a/b", interface: "a.b", member } };
        const written = writeDbusMessage(head, "sbtv", [text.replaceAll("\0", ""), flag, big, big]);
        const read = readDbusMessage(Buffer.concat([written, Buffer.from("more")]));
        assert.equal(read?.bytes, written.length);
        assert.deepEqual(read.message, {
          ...head,
          fields: { ...head.fields, signature: "sbtv" },
          body: [text.replaceAll("\0", ""), flag, big, big],
        });
        assert.equal(readDbusMessage(written.subarray(0, -1)), undefined);
      },
    ),
  );
});

test("takes whatever comes without more than an error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 200 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      if (buffer.length > 8) buffer.writeUInt8("l".charCodeAt(0), 0);
      if (buffer.length > 16) {
        buffer.writeUInt32LE(buffer.length % 40, 4);
        buffer.writeUInt32LE(buffer.length % 90, 12);
      }
      try {
        readDbusMessage(buffer);
      } catch (error) {
        assert.ok(hasCode(error, "DbusProtocol") || hasCode(error, "DbusTooLarge"), String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test("refuses a message that is too large before it is there", () => {
  const huge = Buffer.alloc(16);
  huge.write("l");
  huge.writeUInt32LE(2 ** 31, 4);
  assert.throws(() => readDbusMessage(huge), { code: "DbusTooLarge" });
});

test("reads arrays, structs and dictionaries, in either byte order", () => {
  // A big-endian signal with body (as, (ub)): ["x"], [7, true]
  const body = Buffer.from([0, 0, 0, 6, 0, 0, 0, 1, 0x78, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1]);
  const field = Buffer.from([8, 1, 0x67, 0, 6, ...Buffer.from("as(ub)"), 0]);
  const head = Buffer.alloc(16);
  head.set([0x42, DBUS_SIGNAL, 0, 1]);
  head.writeUInt32BE(body.length, 4);
  head.writeUInt32BE(9, 8);
  head.writeUInt32BE(field.length, 12);
  const padding = Buffer.alloc((8 - (field.length % 8)) % 8);
  const read = readDbusMessage(Buffer.concat([head, field, padding, body]));
  assert.deepEqual(read?.message.body, [["x"], [7, true]]);
});
