import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { deferred, hasCode } from "@kedge/runtime";
import { freePort } from "@kedge/testing";
import { NodePorts } from "./node-ports.ts";

const host = "127.0.0.1";

test("each node has a port, which leads to it, and keeps it", async () => {
  const came = deferred<number | undefined>();
  const onConnection = (socket: Socket) => {
    came.resolve(socket.localPort);
    socket.destroy();
  };
  await using ports = new NodePorts({ host, range: { first: 20_000, last: 40_000 }, onConnection });
  const [one, other] = await Promise.all([ports.open("edge-1"), ports.open("edge-2")]);
  assert.notEqual(one, other);
  assert.equal(await ports.open("edge-1"), one);
  connect(other ?? 0, host).on("error", () => undefined);
  assert.equal(ports.nodeOf(await came.promise), "edge-2");
});

test("the port that the cluster knows is taken, unless somebody else has it", async () => {
  await using ports = new NodePorts({ host, range: { first: 1_024, last: 65_535 }, onConnection: () => undefined });
  const free = await freePort();
  assert.equal(await ports.open("edge-1", free), free);
  const server = createServer().listen(0, host);
  await once(server, "listening");
  try {
    const taken = (server.address() as { port: number }).port;
    assert.notEqual(await ports.open("edge-2", taken), taken);
  } finally {
    server.close();
  }
});

test("where all ports are taken that is said, and one that is given up is free again", async () => {
  const only = await freePort();
  await using ports = new NodePorts({ host, range: { first: only, last: only }, onConnection: () => undefined });
  assert.equal(await ports.open("edge-1"), only);
  await assert.rejects(ports.open("edge-2"), (error) => hasCode(error, "NoPortLeft"));
  ports.close("edge-1");
  assert.equal(await ports.open("edge-2"), only);
});

test("without a range nodes get none", async () => {
  await using ports = new NodePorts({ host, range: undefined, onConnection: () => undefined });
  assert.equal(await ports.open("edge-1"), undefined);
});
