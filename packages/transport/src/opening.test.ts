import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { clientTls, dial, startServer } from "../test/link-bed.ts";
import type { LinkError } from "./link-error.ts";
import type { WebSocketServer } from "./websocket-server.ts";

/** A connection that begins a handshake, if it says anything, and does not go on. */
async function mute(server: WebSocketServer, says: Uint8Array | null = Buffer.of(0x16)): Promise<Socket> {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  if (says !== null) socket.write(says);
  return socket;
}

const untilClosed = (socket: Socket) => new Promise((resolve) => socket.resume().once("close", resolve));

/** Until the server's side of what we see is there. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

const secure = (socket: Socket) =>
  once(connectTls({ ...clientTls, host: "127.0.0.1", socket }), "secureConnect") as Promise<unknown>;

test("many nodes at once come in in turn, few handshakes at a time", { timeout: 60_000 }, async () => {
  const [nodes, handshakesMax] = [200, 8];
  const { server } = await startServer({ opening: { handshakesMax, handshakesPerAddressMax: handshakesMax } });
  await using _server = server;
  const mutes = await Promise.all(Array.from({ length: handshakesMax }, () => mute(server)));
  await until(() => server.load.handshaking === handshakesMax);
  const sockets: Socket[] = [];
  const order: number[] = [];
  const secured: Promise<void>[] = [];
  for (let node = 0; node < nodes; node += 1) {
    const socket = await mute(server, null);
    sockets.push(socket);
    secured.push(
      secure(socket).then(() => {
        assert.ok(server.load.handshaking <= handshakesMax);
        order.push(node);
      }),
    );
    await until(() => server.load.waiting === node + 1);
  }
  for (const socket of mutes) socket.destroy();
  await Promise.all(secured);
  for (const [at, node] of order.entries())
    assert.ok(Math.abs(node - at) <= 2 * handshakesMax, `${node} came as ${at}`);
  await until(() => server.load.handshaking === 0);
  for (const socket of sockets) socket.destroy();
});

test("connections that say nothing take no place, and are cut", { timeout: 20_000 }, async () => {
  const { server } = await startServer({ opening: { handshakesMax: 1, waitMs: 300 } });
  await using _server = server;
  const silent = await Promise.all(Array.from({ length: 10 }, () => mute(server, null)));
  const cut = Promise.all(silent.map(untilClosed));
  const client = await dial(server);
  assert.ok(client.open);
  client.terminate("test over");
  await cut;
  assert.equal(server.load.cut, silent.length);
});

test("hundreds of nodes that all come at once are all in", { timeout: 60_000 }, async () => {
  const { server, links } = await startServer();
  await using _server = server;
  const clients = await Promise.all(Array.from({ length: 150 }, () => dial(server, { handshakeTimeoutMs: 60_000 })));
  assert.equal(links.length, clients.length);
  assert.deepEqual(server.load, { handshaking: 0, waiting: 0, cut: 0, sentAway: 0 });
  for (const client of clients) client.terminate("test over");
});

test("peers that never finish their handshake are cut, and those that wait come in", { timeout: 20_000 }, async () => {
  const { server } = await startServer({ opening: { handshakesMax: 2, openingMs: 300 } });
  await using _server = server;
  const mutes = await Promise.all([mute(server), mute(server), mute(server)]);
  const cut = Promise.all(mutes.map(untilClosed));
  const client = await dial(server);
  assert.ok(client.open);
  client.terminate("test over");
  await cut;
  assert.equal(server.load.cut, 3);
});

test("one address does not take all places of the others", { timeout: 20_000 }, async () => {
  const { server } = await startServer({ opening: { handshakesMax: 4, handshakesPerAddressMax: 2 } });
  await using _server = server;
  const mutes = await Promise.all(Array.from({ length: 6 }, () => mute(server)));
  const other = connect({ host: "127.0.0.1", port: server.port, localAddress: "127.0.0.2" });
  await secure(other);
  await until(() => server.load.handshaking === 2);
  assert.equal(server.load.waiting, 4);
  for (const socket of [other, ...mutes]) socket.destroy();
});

test("too many connections of one address that show no certificate are cut at once", { timeout: 20_000 }, async () => {
  const { server } = await startServer({ opening: { perAddressMax: 3 } });
  await using _server = server;
  const clients = [await dial(server), await dial(server), await dial(server)]; // these are admitted: they do not count
  const mutes = await Promise.all([mute(server), mute(server), mute(server)]);
  await untilClosed(await mute(server));
  assert.equal(server.load.cut, 1);
  mutes[0]?.destroy();
  await until(() => server.load.handshaking === 2);
  clients.push(await dial(server));
  for (const socket of mutes) socket.destroy();
  for (const client of clients) client.terminate("test over");
});

test("connections that wait are bounded, and none waits longer than its peer", { timeout: 20_000 }, async () => {
  const { server } = await startServer({
    opening: { handshakesMax: 1, waitingMax: 2, waitMs: 300, openingMs: 10_000 },
  });
  await using _server = server;
  const first = await mute(server);
  const waiting = [await mute(server), await mute(server)];
  await untilClosed(await mute(server));
  await Promise.all(waiting.map(untilClosed));
  assert.deepEqual(server.load, { handshaking: 1, waiting: 0, cut: 3, sentAway: 0 });
  first.destroy();
});

test("a request that comes byte by byte is cut", { timeout: 20_000 }, async () => {
  const { server, links } = await startServer({ opening: { openingMs: 300 } });
  await using _server = server;
  const socket = connectTls({ ...clientTls, host: "127.0.0.1", port: server.port });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  const closed = untilClosed(socket);
  const request = `GET / HTTP/1.1\r\nx-slow: ${"x".repeat(1_000)}`;
  let at = 0;
  const drip = setInterval(() => void socket.write(request[at++ % request.length] ?? ""), 10);
  await closed;
  clearInterval(drip);
  assert.equal(links.length, 0);
  assert.equal(server.load.cut, 1);
});

test("a peer that takes long to be admitted is cut, and gets no link later", { timeout: 20_000 }, async () => {
  const answer = Promise.withResolvers<object>();
  const { server, links } = await startServer({ opening: { openingMs: 200 }, admit: () => answer.promise });
  await using _server = server;
  await assert.rejects(dial(server), { code: "ConnectFailed" });
  answer.resolve({});
  await new Promise(setImmediate);
  assert.equal(links.length, 0);
});

test(
  "more sessions than the rate allows are sent away, each with its time to return",
  { timeout: 20_000 },
  async () => {
    let refuse = true;
    const { server, links } = await startServer({
      sessionsPerSecond: 0.5,
      sessionsAtOnce: 2,
      admit: () => (refuse ? { refusal: { httpStatus: 403, reason: "not you" } } : {}),
    });
    await using _server = server;
    for (let at = 0; at < 4; at += 1)
      await assert.rejects(dial(server), {
        details: { code: "Refused", httpStatus: 403, reason: "not you", retryAfterSeconds: undefined },
      });
    refuse = false; // who is refused takes no place
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => dial(server)));
    assert.equal(links.length, 2);
    const times = results.flatMap((result) => {
      if (result.status === "fulfilled") return [];
      const { details } = result.reason as LinkError;
      assert.ok(details.code === "Refused" && details.httpStatus === 503, details.code);
      return [details.retryAfterSeconds ?? 0];
    });
    assert.equal(times.length, 4);
    assert.equal(new Set(times).size, 4, `spread over time: ${times.join(", ")}`);
    assert.ok(
      times.every((seconds) => seconds >= 1 && seconds <= 8),
      times.join(", "),
    );
    assert.equal(server.load.sentAway, 4);
    for (const result of results) if (result.status === "fulfilled") result.value.terminate("test over");
  },
);
