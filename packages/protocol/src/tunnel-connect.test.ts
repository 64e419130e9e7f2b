import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "./protocol-error.ts";
import {
  decodeTunnelConnect,
  decodeTunnelEnd,
  decodeTunnelResponse,
  encodeTunnelConnect,
  encodeTunnelEnd,
  encodeTunnelResponse,
  TUNNEL_MARK_BYTES_MAX,
  TUNNEL_TARGET_HOST,
} from "./tunnel-connect.ts";
import { readTunnelFrame } from "./tunnel-frame.ts";
import { TUNNEL_CONVERSATION, TUNNEL_VECTORS } from "./tunnel-vectors.test-data.ts";

for (const { name, connect_id, data_hex, data_json: json } of TUNNEL_VECTORS) {
  if (json === undefined) continue;
  test(`reads and writes ${name} as stock does`, () => {
    const data = Buffer.from(data_hex, "hex");
    const connect = decodeTunnelConnect(BigInt(connect_id), data);
    assert.equal(connect.host, TUNNEL_TARGET_HOST);
    assert.equal(connect.path, json.url.Path);
    assert.equal(connect.query, json.url.RawQuery);
    assert.equal(connect.method, json.method);
    assert.deepEqual({ ...connect.headers }, json.header);
    assert.equal(Buffer.from(encodeTunnelConnect(connect)).toString(), data.toString());
  });
}

test("reads and writes every connect frame of a recorded conversation", () => {
  const connects = TUNNEL_CONVERSATION.map(({ hex }) => readTunnelFrame(Buffer.from(hex, "hex"))).filter(({ type }) =>
    [0, 1, 2, 6].includes(type),
  );
  assert.ok(connects.length > 3);
  for (const { connectId, data } of connects)
    assert.equal(
      Buffer.from(encodeTunnelConnect(decodeTunnelConnect(connectId, data))).toString(),
      Buffer.from(data).toString(),
    );
});

test("carries where to go on", () => {
  const resume = { mark: "x:1", bytes: 77 };
  const connect = {
    connectId: (1n << 64n) - 1n,
    scheme: "http",
    host: TUNNEL_TARGET_HOST,
    path: "/containerLogs/default/web/app",
    query: "follow=true",
    headers: { Accept: ["*/*"] },
    resume,
  };
  const data = encodeTunnelConnect(connect);
  assert.match(Buffer.from(data).toString(), /^\{"MessID":18446744073709551615,/);
  assert.deepEqual(decodeTunnelConnect(connect.connectId, data).resume, resume);
});

test("carries an answer, and why a connection ended", () => {
  const response = { status: 404, headers: { "Content-Type": ["text/plain", "x"] } };
  assert.deepEqual({ ...decodeTunnelResponse(encodeTunnelResponse(response)) }.status, 404);
  assert.deepEqual({ ...decodeTunnelResponse(encodeTunnelResponse(response)).headers }, response.headers);
  const end = { code: "LogGone", message: "the log was rotated away" };
  assert.deepEqual(decodeTunnelEnd(encodeTunnelEnd(end)), end);
});

const url = { Scheme: "http", Host: TUNNEL_TARGET_HOST, Path: "/pods", RawQuery: "" };
for (const { name, json } of [
  { name: "no object", json: [] },
  { name: "no URL", json: { header: {} } },
  { name: "a path that is no text", json: { url: { ...url, Path: 7 } } },
  { name: "headers that are no lists", json: { url, header: { Accept: "*/*" } } },
  { name: "a method that is no text", json: { url, method: {} } },
  { name: "a negative place", json: { url, resume: { mark: "m", bytes: -1 } } },
  { name: "a mark beyond measure", json: { url, resume: { mark: "m".repeat(TUNNEL_MARK_BYTES_MAX + 1), bytes: 0 } } },
]) {
  test(`refuses a connect frame with ${name}`, () => {
    assert.throws(
      () => decodeTunnelConnect(1n, Buffer.from(JSON.stringify(json))),
      (error) => error instanceof ProtocolError && error.details.code === "BadTunnelConnect",
    );
  });
}

test("any data is understood or a ProtocolError", () => {
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.json().map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(`{"url":${JSON.stringify(url)},"header":${text},"resume":${text}}`)),
  );
  fc.assert(
    fc.property(data, (bytes) => {
      for (const decode of [
        () => decodeTunnelConnect(1n, bytes),
        () => decodeTunnelResponse(bytes),
        () => decodeTunnelEnd(bytes),
      ])
        try {
          decode();
        } catch (error) {
          assert.ok(error instanceof ProtocolError);
        }
    }),
    { numRuns: 2_000 },
  );
});
