import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StreamEnding } from "./stream-ending.ts";

const SPDY = { Upgrade: ["SPDY/3.1"], "X-Stream-Protocol-Version": ["v4.channel.k8s.io"] };
const WEBSOCKET = { Upgrade: ["websocket"], "Sec-Websocket-Protocol": ["v5.channel.k8s.io"] };

function ending(headers: Record<string, string[]>, path = "/exec/default/web/main"): StreamEnding {
  const stream = new StreamEnding({ path });
  stream.begin(headers);
  return stream;
}

function spdyFrame(payload: Buffer): Buffer {
  const head = Buffer.from([0, 0, 0, 3, 0, 0, 0, 0]);
  head.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([head, payload]);
}

function webSocketFrame(payload: Buffer): Buffer {
  if (payload.length < 126) return Buffer.concat([Buffer.from([0x82, payload.length]), payload]);
  const head = Buffer.from([0x82, 126, 0, 0]);
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

/** The stream cut into pieces at these places. */
function pieces(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)).toSorted((one, other) => one - other), stream.length];
  return at.slice(1).map((end, index) => stream.subarray(at[index], end));
}

for (const [name, headers, frame] of [
  ["SPDY", SPDY, spdyFrame],
  ["WebSocket", WEBSOCKET, webSocketFrame],
] as const)
  test(`${name}: however it arrives, only whole frames pass, in order, and nothing is lost`, () =>
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        fc.nat({ max: 5 }),
        (payloads, cuts, missing) => {
          const frames = payloads.map((payload) => frame(Buffer.from(payload)));
          const whole = Buffer.concat(frames);
          const stream = whole.subarray(0, Math.max(0, whole.length - missing));
          const under = ending(headers);
          const passed = Buffer.concat(pieces(stream, cuts).map((piece) => under.whole(piece)));
          let end = 0;
          const ends = [0, ...frames.map(({ length }) => (end += length))];
          assert.ok(ends.includes(passed.length), "a frame was cut");
          assert.ok(stream.subarray(0, passed.length).equals(passed));
          assert.ok(Buffer.concat([passed, under.rest()]).equals(stream));
        },
      ),
    ));

test("after a cut, SPDY's stream of errors ends with a Status", () => {
  const under = ending(SPDY);
  under.whole(spdyFrame(Buffer.from("x")).subarray(0, 4)); // half a frame is dropped
  const last = under.broken("the tunnel was cut");
  assert.equal(last.readUInt32BE(0), 1);
  assert.equal(last.readUInt8(4), 1, "FIN");
  assert.equal(last.readUIntBE(5, 3), last.length - 8);
  const { status, message } = JSON.parse(last.subarray(8).toString()) as Record<string, string>;
  assert.deepEqual([status, message], ["Failure", "the tunnel was cut"]);
});

test("after a cut, WebSocket's channel of errors gets a Status, and the connection closes", () => {
  const last = ending(WEBSOCKET).broken("cut");
  const length = last.readUInt8(1) === 126 ? last.readUInt16BE(2) : last.readUInt8(1);
  const start = last.readUInt8(1) === 126 ? 4 : 2;
  assert.equal(last.readUInt8(start), 3, "the channel");
  assert.equal((JSON.parse(last.subarray(start + 1, start + length).toString()) as { message: string }).message, "cut");
  assert.deepEqual(last.subarray(start + length), Buffer.from([0x88, 2, 0x03, 0xe8]));
});

test("nothing is said where it could not be understood", () => {
  assert.equal(ending(SPDY, "/portForward/default/web").broken("cut").length, 0);
  assert.equal(
    ending({ Upgrade: ["SPDY/3.1"], "X-Stream-Protocol-Version": ["channel.k8s.io"] }).broken("cut").length,
    0,
  );
  const midFrame = ending(SPDY);
  const large = spdyFrame(Buffer.alloc(200_000));
  assert.equal(midFrame.whole(large.subarray(0, 150_000)).length, 150_000, "too large to be held");
  assert.equal(midFrame.broken("cut").length, 0);
});
