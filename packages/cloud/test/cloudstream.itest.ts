import assert from "node:assert/strict";
import { request } from "node:https";
import { after, before, describe, test } from "node:test";
import { CONFIG_MAPS, type Node, NODES, PODS } from "@kedge/kube";
import { deferred, silentLogger } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { connectTunnel, type TunnelConnection, type TunnelLink } from "@kedge/transport";
import { type CloudFixture, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, join } from "./stock-edge.ts";

const skip = TestKubernetes.missing();
const STEP = { timeout: 60_000 };
/** API servers proxy nothing to loopback. */
const EVERYWHERE = { enable: true, address: "0.0.0.0" };
const OWN = [
  { type: "InternalIP", address: "198.51.100.7" },
  { type: "Hostname", address: "edge" },
];

describe("CloudStream with a real API server", { skip }, () => {
  let kubernetes: TestKubernetes;
  const scope = new AsyncDisposableStack();
  before(async () => {
    kubernetes = scope.use(await startKubernetes());
  });
  after(() => scope.disposeAsync());

  /** A node with a pod `web-<name>`, as an edge has registered it. */
  async function register(name: string, fixture: CloudFixture): Promise<EdgeIdentity> {
    const { cloud, kube, signal } = fixture;
    const identity = await join(cloud.ports.https, await fixture.token(), name);
    const labels = { "node-role.kubernetes.io/edge": "" };
    const status = { addresses: OWN, daemonEndpoints: { kubeletEndpoint: { Port: 10_350 } } };
    await kube.create(NODES, { metadata: { name, labels }, status }, signal);
    await kube.create(PODS, podOn(name, `web-${name}`), signal);
    return identity;
  }

  /** Plays an edge of ours. */
  function openTunnel(
    { node, ca, cert, key }: EdgeIdentity,
    port: number,
    answer: (connection: TunnelConnection) => void,
    nodeName = node,
  ): Promise<TunnelLink> {
    return connectTunnel(
      {
        server: `127.0.0.1:${port}`,
        nodeName,
        nodeIP: "198.51.100.7",
        tls: { ca, cert, key },
        handshakeTimeoutMs: 5_000,
        logger: silentLogger,
        onConnect: answer,
      },
      AbortSignal.timeout(5_000),
    );
  }

  const echo = (connection: TunnelConnection) => {
    connection.respond({ status: 200, headers: { "Content-Type": ["text/plain"] } });
    const { path, query } = connection.connect;
    connection.end(query === "" ? `${path}\n` : `${path}?${query}\n`);
  };

  /** The Node once it fits. */
  async function shown({ kube }: CloudFixture, name: string, accept: (node: Node) => boolean): Promise<Node> {
    for await (const change of kube.watch(NODES, {}, AbortSignal.timeout(20_000)))
      if (change.type !== "BOOKMARK" && change.object.metadata?.name === name && accept(change.object))
        return change.object;
    throw new Error("the watch ended");
  }
  const portOf = ({ status }: Node) => status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
  const isShown = (node: Node) => node.metadata?.annotations?.["kedge.io/kubelet-endpoint"] !== undefined;

  interface Answer {
    readonly status: number;
    readonly body: string;
  }
  /** Calls a kubelet endpoint as somebody. */
  function call(
    port: number,
    path: string,
    who: { cert?: string; key?: string; token?: string } = {},
  ): Promise<Answer> {
    const { cert, key, token } = who;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const sent = request(
      { host: "127.0.0.1", port, path, cert, key, headers, agent: false, rejectUnauthorized: false },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (part: string) => (body += part));
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
        answer.once("error", reject);
      },
    );
    sent.once("error", reject);
    sent.end();
    return promise;
  }

  test(
    "the API server finds a node's endpoint here; the node's own report stays, and survives what edges send",
    STEP,
    async () => {
      await using fixture = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE);
      const identity = await register("edge-a", fixture);
      await using _link = await openTunnel(identity, fixture.cloud.ports.tunnel, echo);
      const node = await shown(fixture, "edge-a", isShown);
      assert.equal(node.status?.addresses?.length, 4);
      assert.deepEqual(node.status?.addresses?.slice(2), OWN);
      const logs = await kubernetes.kubectl("logs", "web-edge-a", "--tail=3");
      assert.equal(logs, "/containerLogs/default/web-edge-a/main?tailLines=3\n");
      const raw = await kubernetes.kubectl("get", "--raw", "/api/v1/nodes/edge-a/proxy/stats/summary");
      assert.equal(raw, "/stats/summary\n");
      // Somebody writes the node's own addresses there again: it becomes right.
      const body = { status: { addresses: OWN } };
      await fixture.kube.patch(NODES, { name: "edge-a" }, { type: "merge", body }, fixture.signal, {
        subresource: "status",
      });
      await shown(fixture, "edge-a", ({ status }) => status?.addresses?.length === 4);
    },
  );

  test("W6: who calls a node is known, and may do so, or is refused", STEP, async () => {
    await using fixture = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE);
    const identity = await register("edge-b", fixture);
    const asked: string[] = [];
    await using _link = await openTunnel(identity, fixture.cloud.ports.tunnel, (connection) => {
      asked.push(JSON.stringify(connection.connect.headers));
      echo(connection);
    });
    const port = portOf(await shown(fixture, "edge-b", isShown));
    const logs = "/containerLogs/default/web-edge-b/main";
    assert.equal((await call(port, logs)).status, 401, "nobody");
    assert.equal((await call(port, logs, { token: "made-up" })).status, 401, "an unknown token");
    assert.equal((await call(port, logs, identity)).status, 401, "a node, of KubeEdge's own CA");
    const admin = await kubernetes.ca.issueClient("boss", ["system:masters"]);
    assert.equal((await call(port, logs, { cert: admin.certificate, key: admin.key })).status, 200);
    const anybody = await kubernetes.ca.issueClient("anybody", []);
    const refused = await call(port, logs, { cert: anybody.certificate, key: anybody.key });
    assert.equal(refused.status, 403);
    assert.match(refused.body, /user anybody may not get nodes\/proxy of node edge-b/);

    await kubernetes.kubectl("create", "serviceaccount", "scraper");
    await kubernetes.kubectl("create", "clusterrole", "scraper", "--verb=get", "--resource=nodes/metrics");
    await kubernetes.kubectl(
      "create",
      "clusterrolebinding",
      "scraper",
      "--clusterrole=scraper",
      "--serviceaccount=default:scraper",
    );
    const token = (await kubernetes.kubectl("create", "token", "scraper")).trim();
    assert.deepEqual(await call(port, "/metrics/resource", { token }), { status: 200, body: "/metrics/resource\n" });
    assert.equal((await call(port, logs, { token })).status, 403, "metrics are not logs");
    assert.equal((await call(port, "/debug/pprof", { token })).status, 404);
    assert.ok(asked.length > 0 && !asked.some((headers) => /authorization/i.test(headers)), "nodes see no credentials");
  });

  test("W7: nobody opens another node's tunnel", STEP, async () => {
    await using fixture = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE);
    const identity = await register("edge-c", fixture);
    await assert.rejects(
      openTunnel(identity, fixture.cloud.ports.tunnel, echo, "edge-a"),
      /not for system:node:edge-a/,
    );
  });

  test("a node that is away: who asks is told so, at the same port as before, also after a restart", STEP, async () => {
    let port: number;
    {
      await using fixture = await startCloud(kubernetes, {}, undefined, undefined, { ...EVERYWHERE, streamPort: 0 });
      const identity = await register("edge-d", fixture);
      const link = await openTunnel(identity, fixture.cloud.ports.tunnel, echo);
      port = portOf(await shown(fixture, "edge-d", isShown));
      await link.close("done");
      const admin = await kubernetes.ca.issueClient("boss", ["system:masters"]);
      const away = await call(port, "/stats/summary", { cert: admin.certificate, key: admin.key });
      assert.equal(away.status, 503);
      assert.match(away.body, /node edge-d has no tunnel to this cloudcore/);
      const streamPort = fixture.cloud.ports.stream;
      await fixture[Symbol.asyncDispose]();
      await using again = await startCloud(kubernetes, {}, undefined, undefined, { ...EVERYWHERE, streamPort });
      assert.equal((await call(port, "/stats/summary", { cert: admin.certificate, key: admin.key })).status, 503);
      await using _link = await openTunnel(identity, again.cloud.ports.tunnel, echo);
      while ((await call(port, "/stats/summary", { cert: admin.certificate, key: admin.key })).status !== 200);
    }
  });

  test(
    "several cloudcores: the Node names the one with the newest tunnel, and the other one carries requests on",
    STEP,
    async () => {
      await using one = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE);
      await using other = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE);
      const identity = await register("edge-e", one);
      const first = await openTunnel(identity, one.cloud.ports.tunnel, echo);
      await shown(one, "edge-e", isShown);
      await using _second = await openTunnel(identity, other.cloud.ports.tunnel, echo);
      const streamPortOf = (node: Node) => {
        const text = node.metadata?.annotations?.["kedge.io/kubelet-endpoint"] ?? "{}";
        return (JSON.parse(text) as { streamPort?: number }).streamPort;
      };
      await shown(one, "edge-e", (node) => streamPortOf(node) === other.cloud.ports.stream);
      assert.match((await first.closed).detail, /newer tunnel/);
      const admin = await kubernetes.ca.issueClient("boss", ["system:masters"]);
      const boss = { cert: admin.certificate, key: admin.key };
      const logs = "/containerLogs/default/web-edge-e/main";
      assert.deepEqual(await call(one.cloud.ports.stream, logs, boss), { status: 200, body: `${logs}\n` });
      assert.equal((await call(one.cloud.ports.stream, logs)).status, 401, "who may not, may not there");
    },
  );

  test("W46: a slow reader costs a window, and hinders nobody", STEP, async () => {
    await using fixture = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE);
    const identity = await register("edge-f", fixture);
    let written = 0;
    const flood = (connection: TunnelConnection) => {
      connection.respond({ status: 200, headers: {} });
      const piece = Buffer.alloc(64 * 1024, "x");
      const write = () => {
        for (;;) {
          if (connection.destroyed) return;
          written += piece.length;
          if (!connection.write(piece)) return void connection.once("drain", write);
        }
      };
      connection.on("error", () => undefined);
      write();
    };
    await using _link = await openTunnel(identity, fixture.cloud.ports.tunnel, (connection) =>
      connection.connect.path.startsWith("/containerLogs/") ? flood(connection) : echo(connection),
    );
    const port = portOf(await shown(fixture, "edge-f", isShown));
    const admin = await kubernetes.ca.issueClient("boss", ["system:masters"]);
    const boss = { cert: admin.certificate, key: admin.key };
    const begun = deferred();
    const path = "/containerLogs/default/web-edge-f/main";
    const slow = request(
      { host: "127.0.0.1", port, path, ...boss, agent: false, rejectUnauthorized: false },
      (answer) => {
        answer.on("error", () => undefined);
        answer.once("readable", () => begun.resolve()); // and nothing is read
      },
    );
    slow.on("error", () => undefined);
    slow.end();
    await begun.promise;
    // Others are served meanwhile, again and again; what was written for the slow one stays within what hops hold.
    for (let times = 0; times < 20; times += 1)
      assert.equal((await call(port, "/stats/summary", boss)).body, "/stats/summary\n");
    slow.destroy();
    assert.ok(written < 16 * 1024 * 1024, `${written} bytes were taken from the writer`);
  });

  test("W46: what a node answers is what its caller gets, its status and a broken end included", STEP, async () => {
    await using fixture = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE);
    const identity = await register("edge-h", fixture);
    await using link = await openTunnel(identity, fixture.cloud.ports.tunnel, (connection) => {
      connection.on("error", () => undefined);
      if (connection.connect.path === "/stats/summary") {
        connection.respond({ status: 404, headers: { "X-Said": ["so"] } });
        return void connection.end("not here\n");
      }
      if (connection.connect.path === "/healthz")
        return connection.respond({ status: 302, headers: { Location: ["https://198.51.100.1/"] } });
      connection.respond({ status: 200, headers: {} });
      connection.write("half of it", () => connection.destroy(new Error("the disk is gone")));
    });
    const port = portOf(await shown(fixture, "edge-h", isShown));
    const admin = await kubernetes.ca.issueClient("boss", ["system:masters"]);
    const boss = { cert: admin.certificate, key: admin.key };
    assert.deepEqual(await call(port, "/stats/summary", boss), { status: 404, body: "not here\n" });
    await assert.rejects(call(port, "/metrics/resource", boss), "what broke off does not look whole");
    assert.equal((await call(port, "/healthz", boss)).status, 502, "nobody is led elsewhere");
    assert.equal(link.sessions, 0, "nothing is left of any");
  });

  test(
    "a log that is cut goes on where it was, however often, also when the node does not know it at once",
    STEP,
    async () => {
      await using fixture = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE);
      const identity = await register("edge-i", fixture);
      const asked: unknown[] = [];
      const tunnels: TunnelLink[] = [];
      const cut = deferred();
      const second = deferred();
      // In this order: the beginning; cut before it has said a word; unknown; the rest.
      const answers: ((connection: TunnelConnection) => void)[] = [
        (connection) => {
          connection.respond({ status: 200, headers: {} });
          connection.mark("the beginning");
          connection.write("abc");
        },
        (connection) => {
          connection.respond({ status: 200, headers: {} });
          second.resolve();
        },
        (connection) => {
          connection.respond({ status: 404, headers: {} });
          connection.end("no such pod");
        },
        (connection) => {
          connection.respond({ status: 200, headers: {} });
          connection.mark("later");
          connection.end("def\n");
        },
      ];
      const answer = (connection: TunnelConnection) => {
        connection.on("error", () => undefined);
        asked.push(connection.connect.resume);
        answers.shift()?.(connection);
      };
      tunnels.push(await openTunnel(identity, fixture.cloud.ports.tunnel, answer));
      const port = portOf(await shown(fixture, "edge-i", isShown));
      const admin = await kubernetes.ca.issueClient("boss", ["system:masters"]);
      const boss = { cert: admin.certificate, key: admin.key };
      const path = "/containerLogs/default/web-edge-i/main?follow=true";
      let body = "";
      const ended = deferred();
      const sent = request(
        { host: "127.0.0.1", port, path, ...boss, agent: false, rejectUnauthorized: false },
        (reply) => {
          reply.setEncoding("utf8");
          reply.on("data", (part: string) => {
            body += part;
            if (body === "abc") cut.resolve();
          });
          reply.once("close", () => ended.resolve());
        },
      );
      sent.on("error", () => undefined);
      sent.end();
      await cut.promise;
      await tunnels.pop()?.close("cut");
      tunnels.push(await openTunnel(identity, fixture.cloud.ports.tunnel, answer));
      await second.promise;
      await tunnels.pop()?.close("cut again");
      tunnels.push(await openTunnel(identity, fixture.cloud.ports.tunnel, answer));
      await ended.promise;
      await tunnels.pop()?.close("done");
      assert.equal(body, "abcdef\n");
      const place = { mark: "the beginning", bytes: 3 };
      assert.deepEqual(asked, [undefined, place, place, place]);
    },
  );

  test(
    "KubeEdge's way: nodes keep their addresses, show the port of the record, and are found by address",
    STEP,
    async () => {
      await using fixture = await startCloud(kubernetes, {}, undefined, undefined, EVERYWHERE, {
        iptablesManager: { enable: true },
      });
      const identity = await register("edge-g", fixture);
      await using _link = await openTunnel(identity, fixture.cloud.ports.tunnel, echo);
      const node = await shown(fixture, "edge-g", (found) => portOf(found) !== 10_350);
      assert.equal(portOf(node), 10_351);
      assert.deepEqual(node.status?.addresses, OWN);
      const key = { namespace: "kubeedge", name: "tunnelport" };
      const { metadata } = await fixture.kube.get(CONFIG_MAPS, key, fixture.signal);
      const record = JSON.parse(metadata?.annotations?.["tunnelportrecord.kubeedge.io"] ?? "") as { port: object };
      assert.deepEqual(record.port, { 10_351: true });
      const admin = await kubernetes.ca.issueClient("boss", ["system:masters"]);
      const logs = "/containerLogs/default/web-edge-g/main";
      const answer = await call(fixture.cloud.ports.stream, logs, { cert: admin.certificate, key: admin.key });
      assert.deepEqual(answer, { status: 200, body: `${logs}\n` });
    },
  );
});
