import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { decodeControlFrame, encodeControlFrame, encodeMessage, FRAME_COMPRESSED, type Message } from "@kedge/protocol";
import fc from "fast-check";
import { BAD_MESSAGES_MAX } from "./incoming-queue.ts";
import { barePair, message } from "../test/link-bed.ts";

const file = new URL("../../../test/vectors/cloud-edge-frames.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: { ws_payload_hex: string }[] };
const recorded = fc.constantFrom(...vectors.map(({ ws_payload_hex: hex }) => Buffer.from(hex, "hex")));

/** A payload with some of its bytes changed, lost or doubled. */
const damaged = (payloads: fc.Arbitrary<Buffer>) =>
  fc.tuple(payloads, fc.nat(), fc.nat(4), fc.uint8Array({ maxLength: 4 })).map(([payload, at, lost, bytes]) => {
    const from = at % (payload.length + 1);
    return Buffer.concat([payload.subarray(0, from), bytes, payload.subarray(from + lost)]);
  });

const deflated = recorded.map((payload) => Buffer.concat([Buffer.of(FRAME_COMPRESSED), brotliCompressSync(payload)]));
const control = fc
  .tuple(fc.nat(9), fc.uint8Array({ maxLength: 12 }))
  .map(([kind, bytes]) => Buffer.concat([Buffer.of(kind), bytes]));
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const nested = fc.nat(100_000).map((depth) => Buffer.from("[".repeat(depth)));
const bomb = fc.constant(
  Buffer.concat([Buffer.of(FRAME_COMPRESSED), brotliCompressSync(Buffer.alloc(4_000_000, " "))]),
);

const payload = fc.oneof(damaged(recorded), damaged(deflated), deflated, recorded, control, bytes, nested, bomb);
/** Fewer than end a link, so that every one must cost itself alone. */
const frames = fc.array(fc.record({ data: payload, binary: fc.boolean() }), { maxLength: BAD_MESSAGES_MAX - 1 });

for (const dials of [true, false])
  for (const agreed of [true, false]) {
    const who = `${dials ? "the edge" : "the cloud"}, ${agreed ? "agreed" : "as with stock"}`;

    test(`whatever comes costs itself alone: ${who}`, { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(frames, async (sent) => {
          await using pair = await barePair(dials);
          const { link, peer } = pair;
          const good = Promise.withResolvers<Message>();
          if (agreed) link.agree({ onControl: (frame) => void decodeControlFrame(encodeControlFrame(frame)) });
          link.receive((each) => {
            if (each.content === "good") good.resolve(each);
          });
          for (const { data, binary } of sent) peer.send(data, { binary });
          peer.send(encodeMessage(message("good")));
          const ended = link.closed.then((closed) => Promise.reject(new Error(JSON.stringify(closed))));
          assert.equal((await Promise.race([good.promise, ended])).content, "good");
        }),
        { numRuns: 100 },
      );
    });

    test(`bytes that are no frames end the link, and nothing else: ${who}`, { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (garbage) => {
          await using pair = await barePair(dials);
          const { link, wire } = pair;
          if (agreed) link.agree({ onControl: () => undefined });
          link.receive(() => undefined);
          wire.end(garbage);
          const { reason } = await link.closed;
          assert.ok(["badMessages", "messageTooLarge", "closedByPeer", "connectionLost"].includes(reason), reason);
        }),
        { numRuns: 100 },
      );
    });
  }
