import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { NODES, PODS } from "@kedge/kube";
import { createLogger, silentLogger } from "@kedge/runtime";
import { connectTunnel, type TunnelConnection, type TunnelLink } from "@kedge/transport";
import { TestKubernetes } from "@kedge/testing";
import { type CloudFixture, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, join } from "./stock-edge.ts";

const skip = TestKubernetes.missing();
const options = { skip, timeout: 60_000 };
const NODE = "edge-stream";
let kubernetes: TestKubernetes;
let fixture: CloudFixture;
let identity: EdgeIdentity;
let scope: AsyncDisposableStack;

before(async () => {
  if (skip !== false) return;
  scope = new AsyncDisposableStack();
  kubernetes = scope.use(await startKubernetes());
  const logger =
    process.env["KEDGE_TEST_LOG"] === undefined ? silentLogger : createLogger({ name: "cloud", level: "debug" });
  fixture = scope.use(await startCloud(kubernetes, {}, logger, undefined, { enable: true, address: "0.0.0.0" }));
  const { cloud, kube, signal } = fixture;
  identity = await join(cloud.ports.https, await fixture.token(), NODE);
  await kube.create(
    NODES,
    {
      metadata: { name: NODE, labels: { "node-role.kubernetes.io/edge": "" } },
      status: {
        addresses: [
          { type: "InternalIP", address: "192.0.2.7" },
          { type: "Hostname", address: NODE },
        ],
        daemonEndpoints: { kubeletEndpoint: { Port: 10350 } },
      },
    },
    signal,
  );
  await kube.create(PODS, podOn(NODE, "web"), signal);
});

after(async () => {
  await scope?.disposeAsync();
});

/** Plays an edge of ours: answers each request with `answer`. */
function tunnel(answer: (connection: TunnelConnection) => void): Promise<TunnelLink> {
  const { ca, cert, key } = identity;
  return connectTunnel(
    {
      server: `127.0.0.1:${fixture.cloud.ports.tunnel}`,
      nodeName: NODE,
      nodeIP: "192.0.2.7",
      tls: { ca, cert, key },
      handshakeTimeoutMs: 5_000,
      logger: silentLogger,
      onConnect: (connection) => answer(connection),
    },
    AbortSignal.timeout(5_000),
  );
}

async function shown(accept: (address: string, port: number) => boolean): Promise<{ address: string; port: number }> {
  for await (const change of fixture.kube.watch(NODES, {}, AbortSignal.timeout(10_000))) {
    if (change.type === "BOOKMARK" || change.object.metadata?.name !== NODE) continue;
    const { status } = change.object;
    const address = status?.addresses?.[0]?.address ?? "";
    const port = status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
    if (accept(address, port)) return { address, port };
  }
  throw new Error("the watch ended");
}

test("kubectl logs goes through the tunnel of the pod's node", options, async () => {
  await using _link = await tunnel((connection) => {
    connection.respond({ status: 200, headers: { "Content-Type": ["text/plain"] } });
    connection.end(`${connection.connect.path}?${connection.connect.query}\n`);
  });
  await shown((address, port) => address !== "192.0.2.7" && port !== 10350);
  assert.equal(await kubernetes.kubectl("logs", "web", "--tail=3"), "/containerLogs/default/web/main?tailLines=3\n");
  const raw = await kubernetes.kubectl("get", "--raw", `/api/v1/nodes/${NODE}/proxy/stats/summary`);
  assert.equal(raw, "/stats/summary?\n");
});
