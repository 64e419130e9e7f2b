import assert from "node:assert/strict";
import { test } from "node:test";
import { readRecord, withPort } from "./tunnel-port-record.ts";

const map = (record: unknown) => ({
  metadata: {
    annotations: { "tunnelportrecord.kubeedge.io": typeof record === "string" ? record : JSON.stringify(record) },
  },
});

test("the first cloudcore gets 10351, the next one the next", () => {
  const first = withPort(readRecord(undefined), "10.0.0.1");
  assert.deepEqual(first, { port: 10_351, record: { ipTunnelPort: { "10.0.0.1": 10_351 }, port: { 10_351: true } } });
  assert.equal(withPort(first.record, "10.0.0.2").port, 10_352);
});

test("a cloudcore keeps the port that it has", () => {
  const record = readRecord(map({ ipTunnelPort: { "10.0.0.1": 10_360 }, port: { 10_360: true } }));
  assert.equal(withPort(record, "10.0.0.1").port, 10_360);
});

test("W47: the port of a cloudcore that is gone is free again", () => {
  const record = readRecord(map({ ipTunnelPort: { "10.0.0.2": 10_352 }, port: { 10_351: true, 10_352: true } }));
  const { port, record: next } = withPort(record, "10.0.0.3");
  assert.equal(port, 10_351);
  assert.deepEqual(next.port, { 10_351: true, 10_352: true });
});

for (const [name, text] of [
  ["no JSON", "{"],
  ["a list", []],
  ["ports that are none", { ipTunnelPort: { "10.0.0.1": "many" } }],
] as const)
  test(`a record that makes no sense is an empty one: ${name}`, () =>
    assert.deepEqual(readRecord(map(text)).ipTunnelPort, {}));
