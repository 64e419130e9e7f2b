import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PacketLimit } from "./packet-limit.ts";

/** A packet with a body of this many bytes. */
function packet(bytes: number): Uint8Array {
  const header = [0x30];
  let rest = bytes;
  do {
    header.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(header), Buffer.alloc(bytes, 0xff)]);
}

test("lets all packets up to the limit through, however the stream is cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 20 }),
      fc.integer({ min: 1, max: 50 }),
      (sizes, cut) => {
        const stream = Buffer.concat(sizes.map(packet));
        const limit = new PacketLimit(300);
        for (let at = 0; at < stream.length; at += cut) assert.ok(limit.accepts(stream.subarray(at, at + cut)));
      },
    ),
  );
});

test("refuses a packet as soon as its length is announced", () => {
  const limit = new PacketLimit(300);
  assert.ok(limit.accepts(packet(300)));
  assert.ok(!limit.accepts(packet(301).subarray(0, 3)));
});

test("refuses a length that does not end", () => {
  const limit = new PacketLimit(2 ** 40);
  assert.ok(!limit.accepts(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01)));
});
