import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { FRAME_COMPRESSED, MESSAGE_BYTES_MAX } from "@kedge/protocol";
import fc from "fast-check";
import { COMPRESSING_MAX, MessageCompression, PLAIN_BYTES_MAX } from "./message-compression.ts";

/** JSON as Kubernetes writes it: much of it again and again. */
const text = (bytes: number) => {
  let pods = "";
  for (let at = 0; pods.length < bytes; at += 1)
    pods += `{"name":"pod-${at}","uid":"${at * 7919}","conditions":[{"type":"Ready","status":"True"}]},`;
  return Buffer.from(pods.slice(0, bytes));
};
const frame = (plain: Buffer) => Buffer.concat([Buffer.of(FRAME_COMPRESSED), brotliCompressSync(plain)]);

for (const bytes of [PLAIN_BYTES_MAX + 1, 10_000, 64 * 1024, 64 * 1024 + 1, 1_000_000, 8_000_000])
  test(`${bytes} bytes are smaller on the way, and the same afterwards`, async () => {
    const compression = new MessageCompression();
    const compressed = await compression.compress(text(bytes));
    assert.ok(compressed !== undefined && compressed.length < bytes / 2);
    assert.deepEqual(await compression.inflate(compressed), text(bytes));
  });

test("small texts are done at once, large ones by another thread", () => {
  const compression = new MessageCompression();
  assert.ok(Buffer.isBuffer(compression.compress(text(64 * 1024))));
  assert.ok(compression.compress(text(64 * 1024 + 1)) instanceof Promise);
});

test("what is short, or does not become smaller, travels as it is", async () => {
  const compression = new MessageCompression();
  assert.equal(compression.compress(text(PLAIN_BYTES_MAX)), undefined);
  assert.equal(compression.compress(randomBytes(2_000)), undefined);
  assert.equal(await compression.compress(randomBytes(200_000)), undefined);
});

test("whatever is compressed can be inflated, also if it says the same all the time", async () => {
  const compression = new MessageCompression();
  const repeated = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(3_000_000));
  await fc.assert(
    fc.asyncProperty(repeated, async ([piece, bytes]) => {
      const plain = Buffer.alloc(bytes, piece);
      const compressed = await compression.compress(plain);
      if (compressed !== undefined) assert.ok(plain.equals(await compression.inflate(compressed)));
    }),
    { numRuns: 30 },
  );
});

test("few messages are with other threads at once, a bounded number waits, the others travel as they are", async () => {
  const compression = new MessageCompression();
  const results = Array.from({ length: 100 }, () => compression.compress(text(100_000)));
  assert.equal(compression.running, COMPRESSING_MAX);
  const plain = results.filter((result) => result === undefined).length;
  assert.ok(plain > 0 && plain < 50);
  const most = Math.max(
    ...(await Promise.all(results.map((result) => Promise.resolve(result).then(() => compression.running)))),
  );
  assert.ok(most <= COMPRESSING_MAX);
  assert.equal(compression.running, 0);
  assert.ok((await compression.compress(text(100_000))) !== undefined, "and then it goes on");
});

test("a bomb is noticed, and not by this thread", async () => {
  const compression = new MessageCompression();
  for (const bytes of [MESSAGE_BYTES_MAX / 8, MESSAGE_BYTES_MAX + 1]) {
    const bomb = frame(Buffer.alloc(bytes, " "));
    const inflated = compression.inflate(bomb);
    assert.ok(inflated instanceof Promise);
    await assert.rejects(inflated, { code: "BadCompression" });
  }
});

test("damaged frames are refused", async () => {
  const compression = new MessageCompression();
  const good = frame(text(10_000));
  const late = Buffer.concat([frame(randomBytes(100_000)).subarray(0, 100_000)]);
  const stored = Buffer.concat([Buffer.of(FRAME_COMPRESSED), brotliCompressSync(randomBytes(80_000))]);
  stored.fill(0xff, stored.length - 20_000);
  for (const damaged of [
    Buffer.of(FRAME_COMPRESSED),
    good.subarray(0, good.length / 2),
    Buffer.of(FRAME_COMPRESSED, 7, 7),
  ])
    assert.throws(() => compression.inflate(damaged), { code: "BadCompression" });
  for (const damaged of [late, stored])
    await assert.rejects(async () => compression.inflate(damaged), { code: "BadCompression" });
});
