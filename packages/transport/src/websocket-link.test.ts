import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect } from "node:tls";
import { decodeMessage, encodeMessage, MESSAGE_BYTES_MAX } from "@kedge/protocol";
import { deferred, hasCode } from "@kedge/runtime";
import { TestCa } from "@kedge/testing";
import { WebSocket } from "ws";
import { barePair, ca, clientTls, dial, message, rawDial, startServer } from "../test/link-bed.ts";
import type { WebSocketLink } from "./websocket-link.ts";
import type { LinkRefusal, WebSocketServer } from "./websocket-server.ts";
import { BAD_MESSAGES_MAX } from "./incoming-queue.ts";
import { SENDS_WAITING_MAX } from "./outgoing-queue.ts";

test("carries messages both ways, in order", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  await using client = await dial(server);
  const { link, request } = await firstLink;
  assert.equal(request.headers["node_id"], "edge-1");
  assert.equal(request.certificate.subject.CN, "system:node:edge-1");
  const count = 500;
  const echoed: unknown[] = [];
  const done = deferred();
  link.receive((received) => link.send(received));
  client.receive(({ content }) => {
    echoed.push(content);
    if (echoed.length === count) done.resolve();
  });
  await Promise.all(Array.from({ length: count }, (_, at) => client.send(message(at))));
  await done.promise;
  assert.deepEqual(echoed, [...Array(count).keys()]);
  assert.ok(client.traffic.bytesIn > 0 && client.traffic.bytesOut > 0);
});

test("hands over one message at a time, and what came before the handler was there", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  await using client = await dial(server);
  for (let at = 0; at < 200; at += 1) await client.send(message(at));
  const { link } = await firstLink;
  let running = 0;
  const seen: unknown[] = [];
  const done = deferred();
  link.receive(async ({ content }) => {
    running += 1;
    assert.equal(running, 1);
    await new Promise(setImmediate);
    seen.push(content);
    running -= 1;
    if (seen.length === 200) done.resolve();
  });
  await done.promise;
  assert.deepEqual(seen, [...Array(200).keys()]);
});

test("W3: whom the server does not admit is told why and cut off", { timeout: 20_000 }, async () => {
  const refusal: LinkRefusal = {
    httpStatus: 503,
    reason: "this instance serves 500 nodes already",
    retryAfterSeconds: 7,
  };
  const { server, links } = await startServer({ admit: () => ({ refusal }) });
  await using _server = server;
  await assert.rejects(dial(server), {
    details: { code: "Refused", httpStatus: 503, reason: refusal.reason, retryAfterSeconds: 7 },
  });
  assert.equal(links.length, 0);
});

test("W4: nobody comes in without a certificate of our CA", { timeout: 20_000 }, async () => {
  const { server, links } = await startServer();
  await using _server = server;
  const other = await (await TestCa.create("Other")).issueClient("system:node:edge-1", ["system:nodes"]);
  await assert.rejects(dial(server, { tls: { ...clientTls, cert: other.certificate, key: other.key } }), {
    code: "ConnectFailed",
  });
  const socket = connect({ host: "127.0.0.1", port: server.port, ca: ca.certificatePem });
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("close", resolve));
  assert.equal(links.length, 0);
});

test("the client takes no server that another CA vouches for", { timeout: 20_000 }, async () => {
  const { server } = await startServer();
  await using _server = server;
  const other = await TestCa.create("Other");
  await assert.rejects(dial(server, { tls: { ...clientTls, ca: other.certificatePem } }), { code: "ConnectFailed" });
});

test("nobody listening, and nobody answering, are told apart", { timeout: 20_000 }, async () => {
  const { server } = await startServer();
  const { port } = server;
  await server[Symbol.asyncDispose]();
  await assert.rejects(dial({ port } as WebSocketServer), {
    details: { code: "ConnectFailed", cause: "ECONNREFUSED", url: `wss://127.0.0.1:${port}/project/edge-1/events` },
  });
});

test("W13: a message over the limit ends the link, and only that link", { timeout: 30_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  const socket = rawDial(server);
  socket.on("error", () => undefined);
  await once(socket, "open");
  const { link } = await firstLink;
  link.receive(() => assert.fail("the message must not arrive"));
  socket.send(Buffer.alloc(MESSAGE_BYTES_MAX + 1));
  assert.equal((await link.closed).reason, "messageTooLarge");
  socket.terminate();
  await using client = await dial(server);
  assert.ok(client.open);
});

test("a bad message costs itself, too many cost the link", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  const socket = rawDial(server);
  await once(socket, "open");
  const { link } = await firstLink;
  const good = deferred();
  link.receive(() => good.resolve());
  const bad = ["", "{", "[]", "null", `{"header":7}`, `{"route":{"group":[]}}`, "\u0000"];
  for (const text of bad) socket.send(text);
  socket.send(encodeMessage(message("good")));
  await good.promise;
  assert.ok(link.open);
  for (let at = bad.length; at < BAD_MESSAGES_MAX; at += 1) socket.send("garbage");
  assert.equal((await link.closed).reason, "badMessages");
  socket.terminate();
});

test("a handler that throws ends the link with its reason", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  await using client = await dial(server);
  const { link } = await firstLink;
  link.receive(() => Promise.reject(new Error("out of order")));
  await client.send(message(1));
  assert.deepEqual(await link.closed, { reason: "handlerFailed", detail: "out of order" });
  client.receive(() => undefined);
  await client.closed;
});

test("W34: a peer that reads nothing cannot hold a sender for ever", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer({ writeTimeoutMs: 200 });
  await using _server = server;
  const socket = rawDial(server);
  await once(socket, "open");
  socket.pause();
  const { link } = await firstLink;
  const sends = Array.from({ length: 2_048 }, () => link.send(message("x".repeat(8 * 1024))));
  const results = await Promise.allSettled(sends);
  assert.equal((await link.closed).reason, "writeTimeout");
  assert.ok(results.some(({ status }) => status === "rejected"));
  await assert.rejects(link.send(message("late")), { code: "NotConnected" });
  socket.terminate();
});

test("sends that wait for a slow peer are bounded", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  const socket = rawDial(server);
  await once(socket, "open");
  socket.pause();
  const { link } = await firstLink;
  const big = message("x".repeat(64 * 1024));
  const refused = deferred<unknown>();
  for (let at = 0; at < SENDS_WAITING_MAX + 512; at += 1) link.send(big).catch(refused.resolve);
  assert.equal(((await refused.promise) as { code?: string }).code, "QueueFull");
  assert.ok(link.sendsWaiting <= SENDS_WAITING_MAX && link.sendsWaiting <= 64 * 16, "64 MiB of messages may wait");
  link.terminate("test over");
  socket.terminate();
});

test("closing tells the peer the reason", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  await using client = await dial(server);
  client.receive(() => undefined);
  const { link } = await firstLink;
  link.receive(() => undefined);
  await link.close("replaced by a newer session", 4001);
  assert.deepEqual(await client.closed, {
    reason: "closedByPeer",
    detail: "WebSocket close code 4001: replaced by a newer session",
  });
});

test(
  "speaks TLS 1.2 with a stock client's suites, and sends text frames that end in a line feed",
  { timeout: 20_000 },
  async () => {
    const { server, firstLink } = await startServer();
    await using _server = server;
    const socket = new WebSocket(`wss://127.0.0.1:${server.port}/`, {
      ca: ca.certificatePem,
      cert: clientTls.cert,
      key: clientTls.key,
      maxVersion: "TLSv1.2",
      ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256",
    });
    await once(socket, "open");
    assert.equal(socket.extensions, "");
    const { link } = await firstLink;
    const sent = message({ a: "<b>" });
    const arrived = once(socket, "message") as Promise<[Buffer, boolean]>;
    await link.send(sent);
    const [data, isBinary] = await arrived;
    assert.equal(isBinary, false);
    assert.ok(data.toString("utf8").endsWith("}\n"));
    assert.deepEqual(decodeMessage(data), sent);
    socket.terminate();
  },
);

test("confirms that the peer has read what was sent, and says so if nobody knows", { timeout: 20_000 }, async () => {
  const { server, firstLink } = await startServer();
  await using _server = server;
  await using client = await dial(server);
  client.receive(() => undefined);
  const { link } = await firstLink;
  const read: unknown[] = [];
  link.receive(({ content }) => void read.push(content));
  for (let n = 0; n < 10; n += 1) await client.send(message(n));
  await Promise.all([client.confirm(), client.confirm()]);
  assert.equal(read.length, 10);
  const unknown = client.confirm();
  client.terminate("cut");
  await assert.rejects(unknown, (error) => hasCode(error, "NotConnected"));
  await assert.rejects(client.confirm(), (error) => hasCode(error, "NotConnected"));
});

test("the server's answer carries headers of its own, also if it takes its time", { timeout: 20_000 }, async () => {
  const admit = async () => {
    await new Promise(setImmediate);
    return { responseHeaders: { "Kedge-Channel": "1; epoch=7; applied=3" } };
  };
  const { server, firstLink } = await startServer({ admit });
  await using _server = server;
  await using client = await dial(server);
  assert.equal(client.responseHeaders["kedge-channel"], "1; epoch=7; applied=3");
  const { link } = await firstLink;
  assert.deepEqual(link.responseHeaders, {});
});

test("a failing admission refuses, and the server goes on", { timeout: 20_000 }, async () => {
  const { server } = await startServer({ admit: () => Promise.reject(new Error("no API server")) });
  await using _server = server;
  await assert.rejects(dial(server), { code: "Refused" });
  await assert.rejects(dial(server), { code: "Refused" });
});

test("a peer that only pings and pongs, as fast as it can, is cut", { timeout: 20_000 }, async () => {
  await using bed = await barePair(false);
  bed.link.receive(() => undefined);
  for (let n = 0; n < 5_000; n += 1) bed.peer.pong();
  assert.equal((await bed.link.closed).reason, "badMessages");
});

test("a link that nobody can take is cut, and the server goes on", { timeout: 20_000 }, async () => {
  const links: unknown[] = [];
  const onLink = (link: WebSocketLink) => {
    links.push(link);
    if (links.length === 1) throw new Error("a part of ours failed");
    link.receive(() => undefined);
  };
  const { server } = await startServer({ onLink });
  await using _server = server;
  await using first = await dial(server);
  first.receive(() => undefined);
  assert.equal((await first.closed).reason, "connectionLost");
  await using second = await dial(server);
  second.receive(() => undefined);
  await second.send(message(1));
  await second.confirm();
});
