import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { after, before, suite, test } from "node:test";
import { NODES } from "@kedge/kube";
import { type Message, newMessage } from "@kedge/protocol";
import { TestKubernetes } from "@kedge/testing";
import { type CloudFixture, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { join, StockEdge } from "./stock-edge.ts";

const NODE = "edge-1";
const { vectors } = JSON.parse(
  readFileSync(new URL("../../../test/vectors/cloud-edge-frames.json", import.meta.url), "utf8"),
) as { vectors: { name: string; message: Message; cloud_internal_resource?: string }[] };

/** As recorded of KubeEdge. */
function vector(name: string) {
  const found = vectors.find((one) => one.name === name);
  assert.ok(found);
  return found;
}

suite("the socket of KubeEdge's CSI driver", { skip: TestKubernetes.missing(), timeout: 120_000 }, () => {
  const scope = new AsyncDisposableStack();
  let fixture: CloudFixture;
  let edge: StockEdge;
  let path: string;
  const timeout = 20_000;

  before(async () => {
    const kubernetes = scope.use(await startKubernetes());
    const directory = mkdtempSync(joinPath(tmpdir(), "kedge-csi-"));
    scope.defer(() => rmSync(directory, { recursive: true, force: true }));
    path = joinPath(directory, "sub/kubeedge.sock");
    fixture = scope.use(await startCloud(kubernetes, { unixsocket: { enable: true, address: `unix://${path}` } }));
    const { cloud, kube, signal } = fixture;
    const labels = { "node-role.kubernetes.io/edge": "" };
    await kube.create(NODES, { metadata: { name: NODE, labels } }, signal);
    const identity = await join(cloud.ports.https, await fixture.token(), NODE);
    edge = scope.use(await StockEdge.connect(cloud.ports.websocket, identity));
  });
  after(() => scope.disposeAsync());

  /** As the driver does it: one message is written, one is read. */
  async function call(text: string): Promise<Message> {
    const socket: Socket = connect(path);
    try {
      socket.write(text);
      for await (const chunk of socket) return JSON.parse(String(chunk)) as Message;
      throw new Error("closed without an answer");
    } finally {
      socket.destroy();
    }
  }

  test("only its owner may open it", () => assert.equal(statSync(path).mode & 0o777, 0o600));

  test(
    "W39: a call reaches the node as recorded, and the answer is what the driver can read",
    { timeout },
    async () => {
      const { message, cloud_internal_resource: resource = "" } = vector("csi_createvolume");
      const asked = edge.next(({ route }) => route.operation === "createvolume");
      const answered = call(JSON.stringify({ ...message, route: { ...message.route, resource } }));
      const request = await asked;
      assert.deepEqual(request.route, message.route);
      assert.deepEqual([request.content, request.header.msg_id], [message.content, message.header.msg_id]);
      const reply = vector("csi_createvolume_response").message;
      edge.send({ ...reply, header: { ...reply.header, parent_msg_id: request.header.msg_id } });
      const { route, content, header } = await answered;
      assert.deepEqual([route.operation, header.parent_msg_id], ["response", message.header.msg_id]);
      assert.deepEqual(JSON.parse(Buffer.from(String(content), "base64").toString()), {
        volume: { volume_id: "vol-1" },
      });
    },
  );

  test("what the node refuses is told in words", { timeout }, async () => {
    const resource = `node/${NODE}/default/volume/vol-2`;
    const message = newMessage({ source: "x", group: "y", operation: "deletevolume", resource, content: "{}" });
    const asked = edge.next(({ route }) => route.operation === "deletevolume");
    const answered = call(JSON.stringify(message));
    const request = await asked;
    assert.deepEqual([request.route.source, request.route.group], ["cloudhub", "resource"]);
    const refusal = newMessage({
      source: "metamanager",
      group: "resource",
      operation: "error",
      resource: request.route.resource ?? "",
      content: "no such volume",
      parentId: request.header.msg_id,
    });
    edge.send(refusal);
    const { route, content } = await answered;
    assert.deepEqual([route.operation, content], ["error", "no such volume"]);
  });

  const volume = `node/${NODE}/default/volume/v`;
  for (const { name, text } of [
    {
      name: "another operation",
      text: JSON.stringify(newMessage({ source: "", group: "", operation: "delete", resource: volume, content: "" })),
    },
    {
      name: "no node",
      text: JSON.stringify(
        newMessage({ source: "", group: "", operation: "createvolume", resource: "default/pod/x", content: "" }),
      ),
    },
    { name: "no message", text: "{}" },
    { name: "empty parts", text: '{"header":{},"route":{}}' },
    { name: "more than there may be", text: "x".repeat(2 * 1024 * 1024) },
  ])
    test(`${name} is answered by an error, and costs nothing else`, { timeout }, async () => {
      const { route } = await call(text);
      assert.equal(route.operation, "error");
      assert.deepEqual(fixture.cloud.connectedNodes(), [NODE]);
    });
});
