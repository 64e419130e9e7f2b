import assert from "node:assert/strict";
import { once } from "node:events";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import {
  encodeCredit,
  TUNNEL_FRAME_BYTES_MAX,
  TUNNEL_TARGET_HOST,
  TUNNEL_WINDOW_BYTES,
  type TunnelConnect,
  TunnelFrameType,
  writeTunnelFrame,
} from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import { WebSocket, WebSocketServer } from "ws";
import type { TunnelConnection } from "./tunnel-connection.ts";
import { TunnelError } from "./tunnel-error.ts";
import { TUNNEL_SESSIONS_MAX, TunnelLink } from "./tunnel-link.ts";

const PING_AFTER_MS = 60_000;

/** Both ends of a tunnel on real sockets. */
async function openTunnel({
  agreed = true,
  onConnect,
  onClose,
}: {
  readonly agreed?: boolean;
  readonly onConnect?: (connection: TunnelConnection) => void;
  readonly onClose?: (reason: string) => void;
}) {
  await using scope = new AsyncDisposableStack();
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: TUNNEL_FRAME_BYTES_MAX });
  scope.defer(() => server.close());
  await once(server, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as { port: number }).port}`, {
    maxPayload: TUNNEL_FRAME_BYTES_MAX,
    skipUTF8Validation: true,
  });
  const accepted = once(server, "connection") as Promise<[WebSocket]>;
  const base = { logger: silentLogger, agreed, pingAfterMs: PING_AFTER_MS };
  await once(client, "open");
  const edge = scope.use(
    new TunnelLink(client, { ...base, ...(onConnect && { onConnect }), ...(onClose && { onClose }) }),
  );
  const [socket] = await accepted;
  const cloud = scope.use(new TunnelLink(socket, base));
  const owned = scope.move();
  return { edge, cloud, edgeSocket: client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

let connectIds = 0n;
function request(path = "/pods"): TunnelConnect {
  connectIds += 1n;
  return { connectId: connectIds, scheme: "http", host: TUNNEL_TARGET_HOST, path, query: "", headers: {} };
}

const isTunnelError = (code: string) => (error: unknown) => error instanceof TunnelError && error.code === code;

for (const agreed of [true, false]) {
  test(`carries bytes both ways and ends as it should (${agreed ? "agreed" : "stock"})`, async () => {
    await using tunnel = await openTunnel({ agreed, onConnect: (connection) => void connection.pipe(connection) });
    const connection = tunnel.cloud.connect(1, request());
    const sent = Buffer.alloc(3 * TUNNEL_WINDOW_BYTES, "abc");
    const received: Buffer[] = [];
    let bytes = 0;
    const all = new Promise<void>((resolve) =>
      connection.on("data", (chunk: Buffer) => {
        received.push(chunk);
        bytes += chunk.length;
        if (bytes === sent.length) resolve();
      }),
    );
    connection.write(sent);
    await all;
    assert.ok(Buffer.concat(received).equals(sent));
    connection.end();
    await once(connection, "close");
    assert.equal(tunnel.cloud.sessions, 0);
  });
}

test("W46: a fast writer with a slow reader costs a window, and hinders nobody", async () => {
  let written = 0;
  await using tunnel = await openTunnel({
    onConnect: (connection) => {
      if (connection.connect.path === "/fast") return void connection.end("quick");
      const more = () => {
        while (connection.write(Buffer.alloc(8 * 1024, "x"))) written += 8 * 1024;
        written += 8 * 1024;
      };
      connection.on("drain", more);
      more();
    },
  });
  const slow = tunnel.cloud.connect(0, request("/slow"));
  slow.on("error", () => undefined);
  await once(slow, "readable"); // and does not read on
  for (let others = 0; others < 5; others++)
    assert.equal(await text(tunnel.cloud.connect(0, request("/fast"))), "quick");
  assert.ok(written < TUNNEL_WINDOW_BYTES + 64 * 1024, `${written} bytes were taken from the writer`);
  assert.ok(slow.readableLength <= TUNNEL_WINDOW_BYTES);
});

test("W46: with a stock peer the tunnel waits for a slow reader, for a time, then cuts that one alone", async (context) => {
  let written = 0;
  let writer: TunnelConnection | undefined;
  await using tunnel = await openTunnel({
    agreed: false,
    onConnect: (connection) => {
      if (connection.connect.path === "/quick") return void connection.end("quick");
      writer = connection;
      const more = () => {
        while (connection.writable && connection.write(Buffer.alloc(8 * 1024, "x"))) written += 8 * 1024;
      };
      connection.on("drain", more);
      more();
    },
  });
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const slow = tunnel.cloud.connect(0, request("/slow"));
  await once(slow, "readable"); // and does not read on
  // All that fits is on its way: kernel, both ends' queues.
  for (let before = -1; before !== written; await new Promise(setImmediate)) {
    before = written;
    for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate);
  }
  assert.ok(writer?.writableNeedDrain, "the writer waits");
  assert.ok(written < 32 * 1024 * 1024, `${written} bytes are on their way`);
  const failed = once(slow, "error") as Promise<[Error]>;
  context.mock.timers.tick(10_000);
  assert.match((await failed)[0].message, /nobody took the data for 10 s/);
  assert.equal(await text(tunnel.cloud.connect(0, request("/quick"))), "quick");
});

test("answers, marks and where to go on", async () => {
  await using tunnel = await openTunnel({
    onConnect: (connection) => {
      connection.respond({ status: 200, headers: { "Content-Type": ["text/plain"] } });
      connection.mark("start");
      connection.write("first\n", () => {
        connection.mark("after first");
        connection.end("second\n");
      });
    },
  });
  const connection = tunnel.cloud.connect(0, request());
  assert.equal(connection.resumeAt(0), undefined);
  assert.equal((await connection.response).status, 200);
  assert.equal(await text(connection), "first\nsecond\n");
  assert.deepEqual(connection.resumeAt(3), { mark: "start", bytes: 3 });
  assert.deepEqual(connection.resumeAt(6), { mark: "after first", bytes: 0 });
  assert.deepEqual(connection.resumeAt(10), { mark: "after first", bytes: 4 });
});

test("a failure at the edge comes with its reason, after the bytes before it", async () => {
  await using tunnel = await openTunnel({
    onConnect: (connection) =>
      connection.write("half", () => connection.destroy(new TunnelError("Failed", "the disk is gone"))),
  });
  const connection = tunnel.cloud.connect(0, request());
  const got: string[] = [];
  await assert.rejects(async () => {
    for await (const chunk of connection) got.push(String(chunk));
  }, /the disk is gone/);
  assert.deepEqual(got, ["half"]);
  await assert.rejects(connection.response, isTunnelError("Failed"));
});

test("a cut tunnel ends all its connections with a message, after what had come", async () => {
  await using tunnel = await openTunnel({ onConnect: (connection) => connection.write("half") });
  const connection = tunnel.cloud.connect(1, request());
  await once(connection, "readable");
  tunnel.edgeSocket.terminate();
  await tunnel.cloud.closed;
  await assert.rejects(buffer(connection), isTunnelError("Cut"));
  assert.throws(() => tunnel.cloud.connect(1, request()), isTunnelError("Cut"));
});

test("the edge learns that a client left", async () => {
  const left = Promise.withResolvers<void>();
  await using tunnel = await openTunnel({
    onConnect: (connection) => connection.resume().once("end", () => left.resolve()),
  });
  tunnel.cloud.connect(0, request()).end();
  await left.promise;
});

test("refuses more connections than it has room for", async () => {
  await using tunnel = await openTunnel({ onConnect: (connection) => connection.write("x") });
  const open = Array.from({ length: TUNNEL_SESSIONS_MAX }, () => tunnel.cloud.connect(1, request()));
  for (const connection of open) connection.on("error", () => undefined);
  assert.throws(() => tunnel.cloud.connect(1, request()), isTunnelError("TooManySessions"));
});

test("a connect frame that makes no sense is refused alone", async () => {
  await using tunnel = await openTunnel({ onConnect: () => assert.fail("not to be opened") });
  const connection = tunnel.cloud.connect(1, { ...request(), resume: { mark: "m", bytes: -1 } });
  await assert.rejects(buffer(connection), isTunnelError("Refused"));
  assert.ok(tunnel.cloud.open);
});

test("who sends without credit loses the connection, not the tunnel", async () => {
  const failed = Promise.withResolvers<Error>();
  const opened = Promise.withResolvers<void>();
  await using tunnel = await openTunnel({
    onConnect: (connection) => {
      connection.on("error", (error) => failed.resolve(error));
      opened.resolve();
    },
  });
  const { connectId } = tunnel.cloud.connect(1, request()).on("error", () => undefined);
  await opened.promise;
  const grant = writeTunnelFrame({ connectId, type: TunnelFrameType.credit, data: encodeCredit(1) }); // a byte more than a window
  tunnel.edgeSocket.emit("message", Buffer.from(grant), true);
  assert.ok(isTunnelError("FlowViolation")(await failed.promise));
  assert.ok(tunnel.edge.open);
});

test("bytes that are no frame end the tunnel", async () => {
  await using tunnel = await openTunnel({});
  tunnel.edgeSocket.send(Buffer.from([0xff]));
  assert.equal((await tunnel.cloud.closed).reason, "badMessages");
});

test("the cloud ends the tunnel with a word", async () => {
  const said = Promise.withResolvers<string>();
  await using tunnel = await openTunnel({ onClose: (reason) => said.resolve(reason) });
  await tunnel.cloud.sendClose("a newer tunnel took over");
  assert.equal(await said.promise, "a newer tunnel took over");
  assert.deepEqual(await tunnel.edge.closed, { reason: "closedByPeer", detail: "a newer tunnel took over" });
});
