import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { encodeTunnelConnect, writeTunnelFrame } from "@kedge/protocol";
import fc from "fast-check";
import { answer } from "../edged/server/kubelet-request.ts";
import { request, startTestEdgeStream, StockTunnelCloud } from "./tunnel-bed.test-data.ts";

const connectData = fc.record({
  path: fc.string(),
  query: fc.string(),
  host: fc.constantFrom("127.0.0.1:10350", "x", ""),
});
const frame = fc.record({
  connectId: fc.bigInt({ min: 0n, max: 5n }),
  type: fc.constantFrom(0, 1, 2, 3, 3, 4, 6, 7, 16, 17, 18, 19, 1_000),
  data: fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.json().map((text) => Buffer.from(text)),
    connectData.map((more) => Buffer.from(encodeTunnelConnect(request("/", "", more)))),
  ),
});

test(
  "W-35, W46: whatever frames a cloud sends, the agent lives and answers the next good one",
  { timeout: 60_000 },
  async () => {
    await using cloud = await StockTunnelCloud.start();
    await using _ = startTestEdgeStream(cloud, ({ path }) => Promise.resolve(answer(200, `answer to ${path}`)));
    const socket = await cloud.opened;
    let next = 1_000_000n;
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 30 }), async (frames) => {
        for (const one of frames) socket.send(writeTunnelFrame(one), { binary: one.type > 5 });
        next += 1n;
        const good = request("/good");
        await cloud.send({ connectId: next, type: 2, data: encodeTunnelConnect({ ...good, connectId: next }) });
        assert.equal((await cloud.answer(next)).toString(), "answer to /good");
      }),
      { numRuns: 200 },
    );
  },
);

test("bytes that are no frame end the tunnel, and the agent opens another", { timeout: 30_000 }, async () => {
  await using cloud = await StockTunnelCloud.start();
  await using _ = startTestEdgeStream(cloud, () => Promise.resolve(answer(200, "")));
  const socket = await cloud.opened;
  const again = once(cloud.server, "connection");
  socket.send(Buffer.from([0xff, 0xff]));
  await once(socket, "close");
  await again;
});
