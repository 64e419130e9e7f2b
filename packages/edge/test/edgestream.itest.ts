import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  decodeTunnelConnect,
  encodeTunnelConnect,
  readTunnelFrame,
  type TunnelConnect,
  TunnelFrameType,
} from "@kedge/protocol";
import { hasCode } from "@kedge/runtime";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import type { TunnelConnection } from "@kedge/transport";
import {
  request,
  startTestEdgeStream,
  StockTunnelCloud,
  TestTunnelCloud,
} from "../src/edgestream/tunnel-bed.test-data.ts";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";
import { TestKubeletEndpoint } from "./kubelet-harness.ts";

const skip = TestContainerd.missing();
const options = { timeout: 90_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;
let edged: TestEdged;
let kubelet: TestKubeletEndpoint;

/** The pod of the recorded conversation. */
const RECORDED = { pod: "web-5548c8cd55-dcqjk", container: "c" };
const COUNT = "i=0; while :; do i=$((i+1)); echo count $i; sleep 0.01; done";

before(async () => {
  if (skip !== false) return;
  containerd = scope.use(await TestContainerd.start());
  edged = scope.use(await startTestEdged(containerd));
  kubelet = scope.use(await TestKubeletEndpoint.start(containerd, edged));
  const command = ["sh", "-c", `echo started; ${SERVE}`];
  edged.meta.apply(podOf(RECORDED.pod, "", { containers: [{ name: RECORDED.container, image: TEST_IMAGE, command }] }));
  edged.meta.apply(podOf("counter", COUNT));
  await edged.meta.untilReady(RECORDED.pod);
  await edged.meta.untilReady("counter");
});
after(() => scope.disposeAsync());

interface Step {
  readonly connect: TunnelConnect;
  readonly type: number;
  /** What kubectl sent through the stock cloud. */
  readonly sent: readonly Buffer[];
  readonly answered: Buffer;
}

/** The connections of a conversation that was recorded between stock ends, in order. */
function recordedSteps(): Step[] {
  const file = new URL("../../../test/vectors/conversations/tunnel.jsonl", import.meta.url);
  const lines = readFileSync(file, "utf8").trim().split("\n");
  const frames = lines
    .map((line) => JSON.parse(line) as { dir?: string; hex?: string })
    .flatMap(({ dir, hex }) => (hex === undefined ? [] : [{ dir, ...readTunnelFrame(Buffer.from(hex, "hex")) }]));
  const isConnect = (type: number) => type < TunnelFrameType.data || type === TunnelFrameType.attachConnect;
  return frames
    .filter(({ type }) => isConnect(type))
    .map(({ connectId, type, data }) => {
      const mine = frames.filter((frame) => frame.connectId === connectId && frame.type === TunnelFrameType.data);
      return {
        connect: decodeTunnelConnect(connectId, data),
        type,
        sent: mine.filter(({ dir }) => dir === "cloud_to_edge").map((frame) => Buffer.from(frame.data)),
        answered: Buffer.concat(mine.filter(({ dir }) => dir === "edge_to_cloud").map((frame) => frame.data)),
      };
    });
}

const head = (bytes: Buffer) => bytes.toString("latin1").split("\r\n\r\n")[0]?.toLowerCase().split("\r\n").sort();

test(
  "answers a stock cloud's recorded conversation as a stock edge did: logs, exec over SPDY, exit code, top",
  options,
  async () => {
    await using cloud = await StockTunnelCloud.start();
    await using _ = startTestEdgeStream(cloud, (asked) => kubelet.endpoint.answer(asked));
    await cloud.opened;
    const steps = recordedSteps();
    assert.deepEqual(
      steps.map(({ type }) => type),
      [0, 1, 1, 2],
    );
    for (const { connect, type, sent, answered } of steps) {
      const { connectId } = connect;
      await cloud.send({ connectId, type, data: encodeTunnelConnect(connect) });
      if (type !== TunnelFrameType.execConnect) {
        const answer = await cloud.answer(connectId);
        if (type === TunnelFrameType.logsConnect) assert.equal(answer.toString(), answered.toString());
        else assert.deepEqual(membersOf(answer.toString()), membersOf(answered.toString()));
        continue;
      }
      // The head first, as kubectl waits for it, then all that it said.
      const upgraded = await cloud.until(connectId, (data) => data.includes("\r\n\r\n"));
      // Of the second, the recorder missed the head.
      if (answered.subarray(0, 4).toString() === "HTTP") assert.deepEqual(head(upgraded), head(answered));
      for (const data of sent) await cloud.send({ connectId, type: TunnelFrameType.data, data });
      const headEnd = answered.indexOf("\r\n\r\n");
      const spdyBytes = answered.length - (headEnd === -1 ? 0 : headEnd + 4);
      assert.ok(spdyBytes > SPDY_SLACK_BYTES);
      await cloud.until(connectId, (data) => data.length >= upgraded.length + spdyBytes - SPDY_SLACK_BYTES);
      await cloud.send({ connectId, type: TunnelFrameType.removeConnect, data: Buffer.alloc(0) });
      await cloud.answer(connectId);
    }
  },
);

/** The order in which streams end is the scheduler's, and window updates come or do not. */
const SPDY_SLACK_BYTES = 60;

function membersOf(text: string): string[] {
  return [
    "nodeName",
    "systemContainers",
    "usageCoreNanoSeconds",
    "workingSetBytes",
    "interfaces",
    "imageFs",
    "rlimit",
  ].filter((member) => text.includes(`"${member}"`));
}

/** Reads until `enough`, or to the end. */
async function readSome(connection: TunnelConnection, enough: (text: string) => boolean): Promise<string> {
  let text = "";
  for await (const chunk of connection.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (enough(text)) break;
  }
  return text;
}

const counts = (text: string) => text.trim().split("\n");

test(
  "logs -f goes on after the tunnel was lost, also with another agent process and a rotation, without gap or repeat",
  options,
  async () => {
    await using cloud = await TestTunnelCloud.start();
    const path = "/containerLogs/default/counter/app";
    let read = "";
    let resume: { mark: string; bytes: number } | undefined;
    for (let round = 0; round < 4; round++) {
      // Each round another agent, as far as the tunnel can tell.
      await using _ = startTestEdgeStream(cloud, (asked) => kubelet.endpoint.answer(asked));
      const tunnel = await cloud.tunnel();
      const connection = tunnel.connect(0, request(path, "follow=true", resume === undefined ? {} : { resume }));
      assert.equal((await connection.response).status, 200);
      const text = await readSome(connection, (some) => some.length > 300);
      read += text;
      resume = connection.resumeAt(Buffer.byteLength(text));
      assert.ok(resume !== undefined);
      await tunnel.close("a test");
      if (round === 1) await edged.restart();
      if (round === 2) {
        const uid = edged.meta.get("counter")?.metadata?.uid ?? "";
        const [container] = await containerd.client.runtime.listContainers(
          { "io.kubernetes.pod.uid": uid },
          AbortSignal.timeout(10_000),
        );
        const log = join(edged.config.podLogsDirectory, `default_counter_${uid}`, "app", "0.log");
        await rename(log, `${log}.20260101-000000`);
        await containerd.client.runtime.reopenContainerLog(container?.id ?? "", AbortSignal.timeout(10_000));
        await edged.meta.until(() => edged.running().pods().length === 2);
      }
    }
    const lines = counts(read.slice(0, read.lastIndexOf("\n")));
    assert.ok(lines.length > 50);
    assert.deepEqual(
      lines,
      lines.map((_, index) => `count ${index + 1}`),
    );
  },
);

test("a log that is gone when the tunnel is back ends with a clear word", options, async () => {
  await using cloud = await TestTunnelCloud.start();
  await using _ = startTestEdgeStream(cloud, (asked) => kubelet.endpoint.answer(asked));
  const tunnel = await cloud.tunnel();
  const path = "/containerLogs/default/counter/app";
  const first = tunnel.connect(0, request(path, "tailLines=1"));
  await readSome(first, () => true);
  const mark = first.resumeAt(0)?.mark ?? "";
  assert.notEqual(mark, "");
  const resume = { mark: mark.replace(/^1 \S+/, "1 another-container"), bytes: 0 };
  const gone = tunnel.connect(0, request(path, "follow=true", { resume }));
  await assert.rejects(
    readSome(gone, () => false),
    (error) => hasCode(error, "LogGone") && /gone from the node/.test((error as Error).message),
  );
});

test("what is not there is told with its status; a cut exec ends with a message", options, async () => {
  await using cloud = await TestTunnelCloud.start();
  await using _ = startTestEdgeStream(cloud, (asked) => kubelet.endpoint.answer(asked));
  const tunnel = await cloud.tunnel();
  const missing = tunnel.connect(0, request("/containerLogs/default/nobody/app"));
  assert.equal((await missing.response).status, 404);
  assert.match(await readSome(missing, () => false), /pod "default\/nobody" is not on this node/);
  const headers = {
    Connection: ["Upgrade"],
    Upgrade: ["SPDY/3.1"],
    "X-Stream-Protocol-Version": ["v4.channel.k8s.io"],
  };
  const exec = tunnel.connect(
    1,
    request("/exec/default/counter/app", "command=sleep&command=600&output=1", { method: "POST", headers }),
  );
  const { status, headers: answered } = await exec.response;
  assert.equal(status, 101);
  assert.deepEqual(answered["X-Stream-Protocol-Version"], ["v4.channel.k8s.io"]);
  await tunnel.close("a test");
  await assert.rejects(
    readSome(exec, () => false),
    (error) => hasCode(error, "Cut") && /tunnel to the node was cut/.test((error as Error).message),
  );
});
