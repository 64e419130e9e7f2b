import assert from "node:assert/strict";
import { test } from "node:test";
import mqttPacket from "mqtt-packet";
import { writePacketsLean } from "./lean-packets.ts";

test("packets are the same without the cache of numbers, and it is not made", () => {
  writePacketsLean();
  const before = process.memoryUsage().heapUsed;
  const packet = mqttPacket.generate({ cmd: "puback", messageId: 258 });
  assert.ok(process.memoryUsage().heapUsed - before < 4_000_000);
  assert.deepEqual([...packet], [0x40, 2, 1, 2]);
});
