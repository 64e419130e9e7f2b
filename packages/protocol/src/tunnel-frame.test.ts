import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "./protocol-error.ts";
import { readTunnelFrame, TUNNEL_FRAME_DATA_BYTES_MAX, TunnelFrameType, writeTunnelFrame } from "./tunnel-frame.ts";
import { TUNNEL_CONVERSATION, TUNNEL_VECTORS } from "./tunnel-vectors.test-data.ts";

const NAMES: Readonly<Record<string, number>> = {
  LOGS_CONNECT: TunnelFrameType.logsConnect,
  EXEC_CONNECT: TunnelFrameType.execConnect,
  METRIC_CONNECT: TunnelFrameType.metricConnect,
  DATA: TunnelFrameType.data,
  REMOVE_CONNECT: TunnelFrameType.removeConnect,
  CLOSE_CONNECT: TunnelFrameType.closeConnect,
  ATTACH_CONNECT: TunnelFrameType.attachConnect,
};

for (const vector of TUNNEL_VECTORS) {
  test(`reads and writes ${vector.name} as stock does`, () => {
    const frame = readTunnelFrame(Buffer.from(vector.frame_hex, "hex"));
    assert.equal(frame.connectId, BigInt(vector.connect_id));
    assert.equal(frame.type, NAMES[vector.message_type_name] ?? vector.message_type);
    assert.equal(Buffer.from(frame.data).toString("hex"), vector.data_hex);
    assert.equal(Buffer.from(writeTunnelFrame(frame)).toString("hex"), vector.frame_hex);
  });
}

test("reads and writes every frame of a recorded conversation", () => {
  assert.ok(TUNNEL_CONVERSATION.length > 1_000);
  for (const { hex } of TUNNEL_CONVERSATION)
    assert.equal(Buffer.from(writeTunnelFrame(readTunnelFrame(Buffer.from(hex, "hex")))).toString("hex"), hex);
});

const connectIds = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.bigInt({ min: 0n, max: 300n }));

test("what is written is read", () => {
  const frames = fc.record(
    { connectId: connectIds, type: fc.nat(0xffff), data: fc.uint8Array({ maxLength: 300 }) },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(frames, (frame) => assert.deepEqual(readTunnelFrame(writeTunnelFrame(frame)), frame)));
});

test("any bytes are a frame or a ProtocolError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const { connectId, data } = readTunnelFrame(bytes);
        assert.ok(connectId < 1n << 64n);
        assert.ok(data.length <= bytes.length - 2);
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
      }
    }),
    { numRuns: 2_000 },
  );
});

for (const { name, hex } of [
  { name: "nothing", hex: "" },
  { name: "an id alone", hex: "01" },
  { name: "a number that does not end", hex: "ffff" },
  { name: "a number of more than 64 bits", hex: "ffffffffffffffffff0203" },
  { name: "a number of eleven bytes", hex: "8080808080808080808000" },
]) {
  test(`refuses ${name}`, () => {
    assert.throws(
      () => readTunnelFrame(Buffer.from(hex, "hex")),
      (error) => error instanceof ProtocolError && error.details.code === "BadTunnelFrame",
    );
  });
}

test("sends no more than a stock end reads", () => {
  const data = new Uint8Array(TUNNEL_FRAME_DATA_BYTES_MAX + 1);
  const tooLarge = (error: unknown) => error instanceof ProtocolError && error.details.code === "MessageTooLarge";
  assert.throws(() => writeTunnelFrame({ connectId: 1n, type: 3, data }), tooLarge);
  assert.throws(() => readTunnelFrame(Buffer.concat([Buffer.from([1, 3]), data])), tooLarge);
});
