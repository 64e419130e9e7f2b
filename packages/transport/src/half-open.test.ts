import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { encodeMessage } from "@kedge/protocol";
import { barePair, dial, message, startServer } from "../test/link-bed.ts";

const HEARTBEAT_MS = 15_000;

for (const dials of [true, false]) {
  const who = dials ? "the edge" : "the cloud";

  test(`W35: ${who} ends a half-open link within 1.5 heartbeats`, { timeout: 20_000 }, async () => {
    await using pair = await barePair(dials, { pingAfterMs: HEARTBEAT_MS });
    const { link, peer, end } = pair;
    peer.pause(); // the peer is there, and nothing of it arrives: reads no ping, sends no pong
    let pings = 0;
    peer.on("ping", () => (pings += 1));
    link.receive(() => undefined);
    end.sweep.sweepAll(); // the last that was heard: the answer that opened the channel
    let looks = 1; // by then up to a look has passed since it came
    for (; link.open; looks += 1) end.sweep.sweepAll();
    assert.equal((await link.closed).reason, "peerSilent");
    assert.ok(looks * end.lookMs <= 1.5 * HEARTBEAT_MS, `${looks} looks every ${end.lookMs} ms`);
    assert.ok(looks * end.lookMs > 1.25 * HEARTBEAT_MS, "the answer to a ping has time to come");
    assert.equal(pings, 0);
  });

  test(
    `${who} sends no ping to a peer with heartbeats, and keeps one that answers pings`,
    { timeout: 20_000 },
    async () => {
      await using pair = await barePair(dials, { pingAfterMs: HEARTBEAT_MS });
      const { link, peer, end } = pair;
      const looksPerHeartbeat = Math.ceil(HEARTBEAT_MS / end.lookMs);
      let pings = 0;
      peer.on("ping", () => (pings += 1));
      let heard = Promise.withResolvers<void>();
      link.receive(() => heard.resolve());
      for (let beat = 0; beat < 3; beat += 1) {
        heard = Promise.withResolvers<void>();
        peer.send(encodeMessage(message(beat)));
        await heard.promise;
        for (let look = 0; look < looksPerHeartbeat; look += 1) end.sweep.sweepAll();
      }
      assert.equal(pings, 0);
      for (let round = 0; round < 3; round += 1) {
        await link.confirm(); // something is heard
        const pinged = once(peer, "ping");
        for (let look = 0; look <= end.pingLooks; look += 1) end.sweep.sweepAll();
        await pinged; // and answered
      }
      assert.ok(link.open);
    },
  );

  test(`${who} takes every byte of a large message for a sign of life`, { timeout: 20_000 }, async () => {
    await using pair = await barePair(dials, { pingAfterMs: HEARTBEAT_MS });
    const { link, wire, ourWire, end } = pair;
    link.receive(() => undefined);
    const bytes = 200;
    wire.write(dials ? Buffer.of(0x81, 126, 0, bytes) : Buffer.of(0x81, 0x80 + 126, 0, bytes, 0, 0, 0, 0));
    for (let at = 1; at < bytes; at += 1) {
      const arrived = once(ourWire, "data");
      wire.write(" ");
      await arrived;
      end.sweep.sweepAll();
    }
    assert.ok(link.open);
  });
}

test("W35: behind a path that stalls, both ends find out", { timeout: 20_000 }, async () => {
  const pingAfterMs = 400;
  const { server, firstLink } = await startServer({ pingAfterMs });
  await using _server = server;
  const sockets: Socket[] = [];
  const proxy = createServer((inner) => {
    const outer = connect(server.port, "127.0.0.1");
    for (const socket of [inner, outer]) sockets.push(socket.on("error", () => undefined));
    inner.on("data", (data) => outer.write(data));
    outer.on("data", (data) => inner.write(data));
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const { port } = proxy.address() as AddressInfo;
  await using client = await dial(server, { url: `wss://127.0.0.1:${port}/p/edge-1/events`, pingAfterMs });
  const { link } = await firstLink;
  link.receive(() => undefined);
  client.receive(() => undefined);
  await client.confirm();
  await link.confirm();
  for (const socket of sockets) {
    socket.removeAllListeners("data");
    socket.resume(); // what arrives is taken, and lost
  }
  assert.equal((await link.closed).reason, "peerSilent");
  assert.equal((await client.closed).reason, "peerSilent");
  for (const socket of sockets) socket.destroy();
  proxy.close();
});
