/** Seeing into a node of ours through KubeEdge's cloudcore, which knows stock's frames alone. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpsRequest, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { PODS } from "@kedge/kube";
import { TEST_IMAGE, TestCa } from "@kedge/testing";
import { NAMESPACE, readyPod, sleeper } from "../e2e/test-bed.ts";
import { type CloudProgram, kubernetesCloud, type TestCloud, waitForNode } from "../e2e/test-cloud.ts";
import { TestEdgeNode } from "../e2e/test-edge-node.ts";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { BOTH_ENDS_MS, signal } from "./check.ts";
import { IMPATIENT, missingForInterop } from "./pairs.ts";
import { STOCK_CLOUD, STOCK_CRDS } from "./stock-programs.ts";

const NODE = "edge-stock-cloud-streams";
const STEP_MS = { timeout: BOTH_ENDS_MS };

/** Stock's cloudcore with its stream server, whose certificates it wants as files. */
async function stockCloudWithStreams(dir: string): Promise<CloudProgram> {
  const ca = await TestCa.create("streams");
  const { certificate, key } = await ca.issueServer("cloudcore", ["localhost"], ["127.0.0.1"]);
  const at = (file: string) => join(dir, file);
  writeFileSync(at("stream-ca.crt"), ca.certificatePem);
  writeFileSync(at("stream.crt"), certificate);
  writeFileSync(at("stream.key"), key, { mode: 0o600 });
  return (configFile) => {
    const config = JSON.parse(readFileSync(configFile, "utf8")) as { modules: { cloudStream: object } };
    Object.assign(config.modules.cloudStream, {
      enable: true,
      tlsStreamCAFile: at("stream-ca.crt"),
      tlsStreamCertFile: at("stream.crt"),
      tlsStreamPrivateKeyFile: at("stream.key"),
    });
    writeFileSync(configFile, JSON.stringify(config));
    return STOCK_CLOUD(configFile);
  };
}

describe("our edge's streams through a stock cloud", { skip: missingForInterop() }, () => {
  const scope = new AsyncDisposableStack();
  let cloud: TestCloud;
  let node: TestEdgeNode;

  /** Stock asks nobody who they are. The API server would come here by an iptables rule. */
  const ask = (path: string, more: RequestOptions = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<{
      answer: IncomingMessage;
      socket?: Socket;
      head?: Buffer;
    }>();
    const options = {
      host: "127.0.0.1",
      port: cloud.ports.stream,
      path,
      rejectUnauthorized: false,
      agent: false,
      ...more,
    };
    const sent = httpsRequest(options, (answer) => resolve({ answer }));
    sent.once("upgrade", (answer, socket: Socket, head: Buffer) => resolve({ answer, socket, head }));
    sent.once("error", reject);
    sent.end();
    return promise;
  };
  const read = async (path: string) => text((await ask(path)).answer);

  before(async () => {
    const dir = mkdtempSync(join(tmpdir(), "kedge-interop-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    cloud = scope.use(await kubernetesCloud(await stockCloudWithStreams(dir), STOCK_CRDS)(dir, "127.0.0.1"));
    node = scope.use(await TestEdgeNode.join(cloud, { name: NODE, ...IMPATIENT }));
    await waitForNode(cloud.kube, NODE, "True", BOTH_ENDS_MS).catch((error: unknown) => {
      throw new Error(`the node did not become Ready: ${node.logTail()}`, { cause: error });
    });
    const command = ["sh", "-c", "for i in 1 2 3; do echo line $i; done; sleep 10000"];
    const containers = [{ name: "main", image: TEST_IMAGE, imagePullPolicy: "Never", command }];
    await cloud.kube.create(PODS, sleeper("web", NODE, { containers }), signal());
    await waitForObject(cloud.kube, PODS, { namespace: NAMESPACE, name: "web" }, readyPod, BOTH_ENDS_MS);
  });
  after(() => scope.disposeAsync());

  test("logs", STEP_MS, async () => {
    const limit = AbortSignal.timeout(BOTH_ENDS_MS);
    const path = `/containerLogs/${NAMESPACE}/web/main`;
    while ((await read(path).catch(() => "")) !== "line 1\nline 2\nline 3\n") limit.throwIfAborted();
    assert.equal(await read(`${path}?tailLines=1`), "line 3\n");
  });

  test("exec: the runtime's own answer comes through, and what the command wrote", STEP_MS, async () => {
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-protocol": "v4.channel.k8s.io",
    };
    const path = `/exec/${NAMESPACE}/web/main?command=echo&command=hello&output=1`;
    const { answer, socket, head } = await ask(path, { headers });
    assert.equal(answer.statusCode, 101);
    assert.equal(answer.headers["sec-websocket-protocol"], "v4.channel.k8s.io");
    let got = (head ?? Buffer.alloc(0)).toString("latin1");
    while (!got.includes('"status":"Success"')) {
      const [data] = (await new Promise((resolve, reject) => {
        socket?.once("data", (chunk: Buffer) => resolve([chunk]));
        socket?.once("close", () => reject(new Error(`closed after ${got}`)));
      })) as [Buffer];
      got += data.toString("latin1");
    }
    assert.match(got, /hello\n/);
    socket?.destroy();
  });

  test("figures, found by the node's name", STEP_MS, async () => {
    const headers = { "x-forwarded-uri": `/api/v1/nodes/${NODE}/proxy/stats/summary` };
    const { answer } = await ask("/stats/summary", { headers });
    const summary = JSON.parse(await text(answer)) as { node: { nodeName: string } };
    assert.equal(summary.node.nodeName, NODE);
  });

  test("port-forward: a stock cloud has no way for it", STEP_MS, async () => {
    const { answer } = await ask(`/portForward/${NAMESPACE}/web`, { method: "POST" });
    assert.equal(answer.statusCode, 404);
    answer.resume();
  });
});
