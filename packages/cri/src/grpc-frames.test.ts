import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { MESSAGE_BYTES_MAX, readFrames, writeFrame } from "./grpc-frames.ts";

async function read(...chunks: Buffer[]): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  for await (const frame of readFrames(Readable.from(chunks) as AsyncIterable<Buffer>)) frames.push(frame);
  return frames;
}

test("messages come out as they went in, however they were cut on the way", async () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(messages, fc.integer({ min: 1, max: 50 }), async (sent, chunkBytes) => {
      const wire = Buffer.concat(sent.map(writeFrame));
      const chunks = Array.from({ length: Math.ceil(wire.byteLength / chunkBytes) }, (_, index) =>
        wire.subarray(index * chunkBytes, (index + 1) * chunkBytes),
      );
      const received = await read(...chunks);
      assert.deepEqual(
        received.map((frame) => [...frame]),
        sent.map((message) => [...message]),
      );
    }),
  );
});

test("a message that is too large is refused by its length, before it is there", async () => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(MESSAGE_BYTES_MAX + 1, 1);
  await assert.rejects(read(prefix), /16777217 bytes/);
});

test("a compressed message is refused", async () => {
  await assert.rejects(read(Buffer.from([1, 0, 0, 0, 0])), /compressed/);
});
