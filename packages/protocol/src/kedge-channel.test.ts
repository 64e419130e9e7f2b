import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type ControlFrame,
  decodeControlFrame,
  encodeControlFrame,
  formatAgreement,
  formatOffer,
  parseAgreement,
  parseOffer,
} from "./kedge-channel.ts";
import { ProtocolError } from "./protocol-error.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";
import { newMessage } from "./message.ts";

const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const request = fc.nat({ max: 0xffff_ffff });

test("an offer and an agreement read as they were written", () => {
  fc.assert(
    fc.property(fc.uuid(), number, number, (stream, sent, epoch) => {
      assert.deepEqual(parseOffer(formatOffer({ stream, sent })), { stream, sent });
      assert.deepEqual(parseAgreement(formatAgreement({ epoch, applied: sent })), { epoch, applied: sent });
    }),
  );
});

const STREAM = "0b7a3b0e-7a0c-4bb8-93d3-6f2a2e1b4c5d";
const strange = [
  undefined,
  "",
  "2; stream=x; sent=1",
  ["1", "1"],
  "1",
  `1; stream=${STREAM}`,
  `1; stream=${STREAM}; sent=-1`,
  `1; stream=${STREAM}; sent=99999999999999999`,
  `1; stream=../../etc; sent=1`,
];
for (const header of strange)
  test(`the header ${JSON.stringify(header)} is no offer, and no agreement`, () => {
    assert.equal(parseOffer(header), undefined);
    assert.equal(parseAgreement(header), undefined);
  });

const frames: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({ kind: fc.constant("applied" as const), upTo: number }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant("renewLease" as const), request }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant("leaseRenewed" as const), request }, { noNullPrototype: true }),
  fc.record(
    { kind: fc.constant("leaseRefused" as const), request, reason: fc.string({ maxLength: 100 }) },
    { noNullPrototype: true },
  ),
);

test("a control frame reads as it was written", () => {
  fc.assert(fc.property(frames, (frame) => assert.deepEqual(decodeControlFrame(encodeControlFrame(frame)), frame)));
});

test("any other bytes are refused as what they are", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      try {
        decodeControlFrame(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError && error.details.code === "BadControlFrame");
      }
    }),
  );
});

test("a message's number in the stream travels, and must be one", () => {
  const message = newMessage({ source: "twin", group: "resource", operation: "update", resource: "r", content: 1 });
  const numbered = { ...message, header: { ...message.header, seq: 7 } };
  assert.deepEqual(decodeMessage(encodeMessage(numbered)), numbered);
  for (const seq of [0, -1, 1.5, "7", true])
    assert.throws(() => decodeMessage(JSON.stringify({ header: { seq } })), /header\.seq/);
});
