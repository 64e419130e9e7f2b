import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import mqttPacket from "mqtt-packet";
import { writePacketsLean } from "./lean-packets.ts";

test("packets are the same without the cache of numbers, and it is not made", () => {
  writePacketsLean();
  const stream = new PassThrough();
  const packet = { cmd: "puback", messageId: 258 } as const;
  const before = process.memoryUsage().heapUsed;
  mqttPacket.writeToStream(packet, stream);
  assert.ok(process.memoryUsage().heapUsed - before < 4_000_000);
  assert.deepEqual([...(stream.read() as Buffer)], [0x40, 2, 1, 2]);
});
