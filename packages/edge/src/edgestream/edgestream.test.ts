import assert from "node:assert/strict";
import { once } from "node:events";
import { type Duplex, PassThrough } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { encodeTunnelConnect, TUNNEL_WINDOW_BYTES, TunnelFrameType } from "@kedge/protocol";
import { hasCode, MessageBus } from "@kedge/runtime";
import { TunnelError } from "@kedge/transport";
import type { EdgeMessages, EdgeNotices } from "../edge-messages.ts";
import { KubeletError } from "../edged/server/kubelet-error.ts";
import { answer, type KubeletAnswer, type KubeletRequest } from "../edged/server/kubelet-request.ts";
import {
  request,
  startTestEdgeStream,
  StockTunnelCloud,
  TestTunnelCloud,
  tunnelIdentities,
} from "./tunnel-bed.test-data.ts";

const TIMEOUT = { timeout: 30_000 };
const LINE = "a line of a log\n";

function stream(body: AsyncIterable<Uint8Array>): KubeletAnswer {
  return { status: 200, headers: { "content-type": "text/plain" }, body };
}

/** Endless; counts what was taken from it. */
function endless() {
  const taken = { bytes: 0, ended: false };
  async function* lines() {
    try {
      for (;;) {
        const chunk = Buffer.from(LINE.repeat(1_000));
        taken.bytes += chunk.length;
        yield chunk;
        await new Promise(setImmediate);
      }
    } finally {
      taken.ended = true;
    }
  }
  return { taken, answer: () => stream(lines()) };
}

test("answers with status and headers, then the body", TIMEOUT, async () => {
  await using cloud = await TestTunnelCloud.start();
  const asked: KubeletRequest[] = [];
  await using _ = startTestEdgeStream(cloud, (one) => {
    asked.push(one);
    return Promise.resolve(answer(404, "pod not found"));
  });
  const tunnel = await cloud.tunnel();
  assert.ok(tunnel.agreed);
  const connection = tunnel.connect(
    TunnelFrameType.metricConnect,
    request("/stats/summary", "only_cpu_and_memory=true", { headers: { Accept: ["application/json", "*/*"] } }),
  );
  const { status, headers } = await connection.response;
  assert.equal(status, 404);
  assert.deepEqual(headers["Content-Type"], ["text/plain; charset=utf-8"]);
  assert.equal(await text(connection), "pod not found");
  assert.equal(asked[0]?.path, "/stats/summary");
  assert.equal(asked[0]?.query.get("only_cpu_and_memory"), "true");
  assert.equal(asked[0]?.headers["accept"], "application/json, */*");
});

for (const { name, more } of [
  { name: "another host", more: { host: "169.254.169.254" } },
  { name: "another port", more: { host: "127.0.0.1:22" } },
  { name: "another scheme", more: { scheme: "https" } },
  { name: "a host with a user", more: { host: "x@127.0.0.1:10350" } },
])
  test(`W-35: the cloud cannot make this node ask ${name}`, TIMEOUT, async () => {
    await using cloud = await TestTunnelCloud.start();
    await using _ = startTestEdgeStream(cloud, () => assert.fail("asked all the same"));
    const connection = (await cloud.tunnel()).connect(2, request("/latest/meta-data", "", more));
    assert.equal((await connection.response).status, 400);
    assert.match(await text(connection), /cannot be reached through this tunnel/);
  });

test("W-35: a server whose certificate is another authority's gets no tunnel", TIMEOUT, async () => {
  await using cloud = await TestTunnelCloud.start();
  await using other = await TestTunnelCloud.start(); // of an authority that the node does not know
  let impostor = false;
  void other.tunnel().then(() => (impostor = true));
  await using _impostor = startTestEdgeStream(other, () => assert.fail("asked"), { identity: cloud.identities.edge });
  await using _named = startTestEdgeStream(cloud, () => assert.fail("asked"), { server: `127.0.0.2:${cloud.port}` });
  await using _real = startTestEdgeStream(cloud, () => Promise.resolve(answer(200, "")));
  assert.ok((await cloud.tunnel()).open);
  assert.equal(impostor, false);
});

test("W-35, W46: a slow reader costs a window, and nobody else waits for it", TIMEOUT, async () => {
  await using cloud = await TestTunnelCloud.start();
  const source = endless();
  await using _ = startTestEdgeStream(cloud, ({ path }) =>
    Promise.resolve(path === "/pods" ? answer(200, "pods") : source.answer()),
  );
  const tunnel = await cloud.tunnel();
  const slow = tunnel.connect(0, request("/containerLogs/default/web/app", "follow=true"));
  slow.on("error", () => undefined);
  await once(slow, "readable");
  for (let others = 0; others < 20; others++) assert.equal(await text(tunnel.connect(2, request("/pods"))), "pods");
  assert.ok(source.taken.bytes < TUNNEL_WINDOW_BYTES + 256 * 1024, `${source.taken.bytes} bytes were read ahead`);
  slow.end();
  while (!source.taken.ended) await new Promise(setImmediate); // the reader of the log has been let go
});

test("a hundred streams at once, each whole and in order", TIMEOUT, async () => {
  await using cloud = await TestTunnelCloud.start();
  async function* numbered(name: string) {
    for (let line = 0; line < 200; line++) {
      yield Buffer.from(`${name} ${line}\n`);
      if (line % 10 === 0) await new Promise(setImmediate);
    }
  }
  await using edge = startTestEdgeStream(cloud, ({ path }) => Promise.resolve(stream(numbered(path))));
  const tunnel = await cloud.tunnel();
  await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const path = `/containerLogs/default/web-${index}/app`;
      const read = await text(tunnel.connect(0, request(path, "follow=true")));
      assert.equal(read, Array.from({ length: 200 }, (__, line) => `${path} ${line}\n`).join(""));
    }),
  );
  assert.equal(edge.sessions, 0);
});

test("an upgraded connection carries both directions and ends with either end", TIMEOUT, async () => {
  await using cloud = await TestTunnelCloud.start();
  const streams: Duplex[] = [];
  await using _ = startTestEdgeStream(cloud, () => {
    const echo = new PassThrough();
    streams.push(echo);
    return Promise.resolve({ status: 101, headers: { upgrade: "SPDY/3.1" }, body: "", stream: echo });
  });
  const tunnel = await cloud.tunnel();
  const connection = tunnel.connect(1, request("/exec/default/web/app", "command=sh", { method: "POST" }));
  assert.equal((await connection.response).status, 101);
  connection.write("hello");
  const [chunk] = (await once(connection, "data")) as [Buffer];
  assert.equal(chunk.toString(), "hello");
  const closed = once(streams[0] as Duplex, "close");
  connection.end();
  await closed;
  const failing = tunnel.connect(1, request("/exec/default/web/app", "command=sh", { method: "POST" }));
  await failing.response;
  streams[1]?.destroy(new Error("containerd went away"));
  await assert.rejects(buffer(failing), /the container runtime ended the stream: containerd went away/);
});

test("what breaks off half way ends with a reason", TIMEOUT, async () => {
  await using cloud = await TestTunnelCloud.start();
  async function* breaking(error: Error) {
    yield Buffer.from(LINE);
    await new Promise(setImmediate);
    throw error;
  }
  const errors = [new Error("the disk is gone"), KubeletError.logGone("rotated away")];
  await using _ = startTestEdgeStream(cloud, () => Promise.resolve(stream(breaking(errors.shift() as Error))));
  const tunnel = await cloud.tunnel();
  const failed = (code: string) => (error: unknown) => error instanceof TunnelError && error.code === code;
  await assert.rejects(buffer(tunnel.connect(0, request("/containerLogs/a/b/c"))), failed("Failed"));
  await assert.rejects(buffer(tunnel.connect(0, request("/containerLogs/a/b/c"))), failed("LogGone"));
});

test("W46: when the tunnel is lost its streams end, and a new tunnel comes", TIMEOUT, async () => {
  const identities = await tunnelIdentities();
  await using cloud = await TestTunnelCloud.start(identities);
  const source = endless();
  const left: AbortSignal[] = [];
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const answerKubelet = ({ signal }: KubeletRequest) => {
    left.push(signal);
    return Promise.resolve(source.answer());
  };
  await using _ = startTestEdgeStream(cloud, answerKubelet, { bus });
  const tunnel = await cloud.tunnel();
  const connection = tunnel.connect(0, request("/containerLogs/a/b/c", "follow=true"));
  await once(connection, "readable");
  await tunnel.close("a test");
  await assert.rejects(buffer(connection), (error) => hasCode(error, "Cut"));
  const next = await cloud.tunnel();
  const again = next.connect(0, request("/containerLogs/a/b/c", "follow=true"));
  await once(again, "readable");
  const told = await bus.request("edgestream/status", {}, AbortSignal.timeout(1_000));
  assert.deepEqual({ ...told, problem: undefined }, { open: true, agreed: true, sessions: 1, problem: undefined });
  assert.ok(left[0]?.aborted);
});

test(
  "a stock cloud gets what a stock edge sends: text frames, raw heads for upgrades, bodies alone else",
  TIMEOUT,
  async () => {
    await using cloud = await StockTunnelCloud.start();
    await using _ = startTestEdgeStream(cloud, ({ path }) => {
      if (path.startsWith("/exec/default/gone")) return Promise.resolve(answer(404, "no such pod"));
      if (path.startsWith("/exec")) {
        const echo = new PassThrough();
        const headers = {
          connection: "Upgrade",
          upgrade: "SPDY/3.1",
          "x-stream-protocol-version": "v4.channel.k8s.io",
        };
        return Promise.resolve({ status: 101, headers, body: "", stream: echo });
      }
      if (path === "/pods") return Promise.resolve(answer(404, "nothing here"));
      return Promise.resolve(
        stream(
          (async function* () {
            await new Promise(setImmediate);
            yield Buffer.from("started\n");
            throw new Error("broken off");
          })(),
        ),
      );
    });
    await cloud.opened;
    assert.equal(cloud.headers["sessionhostnameoverride"], "edge-1");
    assert.equal(cloud.headers["sessioninternalip"], "192.0.2.2");
    const open = async (type: number, connect: ReturnType<typeof request>) => {
      await cloud.send({ connectId: connect.connectId, type, data: encodeTunnelConnect(connect) });
      return connect.connectId;
    };
    const logs = await open(0, request("/containerLogs/default/web/c"));
    assert.equal((await cloud.answer(logs)).toString(), "started\n\nerror: broken off\n");
    const metrics = await open(2, request("/pods"));
    assert.equal((await cloud.answer(metrics)).toString(), "nothing here");
    const refused = await open(1, request("/exec/default/gone/c", "", { method: "POST" }));
    assert.match((await cloud.answer(refused)).toString(), /^HTTP\/1\.1 404 Not Found\r\n(.*\r\n)*\r\nno such pod$/);
    const exec = await open(1, request("/exec/default/web/c", "", { method: "POST" }));
    await cloud.send({ connectId: exec, type: TunnelFrameType.data, data: Buffer.from("ping") });
    const data = (await cloud.until(exec, (all) => all.includes("ping"))).toString();
    assert.equal(
      data,
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nping",
    );
    await cloud.send({ connectId: exec, type: TunnelFrameType.removeConnect, data: Buffer.alloc(0) });
    await cloud.answer(exec);
    assert.ok(cloud.frames.every(({ binary, type }) => !binary && type <= TunnelFrameType.attachConnect));
  },
);
