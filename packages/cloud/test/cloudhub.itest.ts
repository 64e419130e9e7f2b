import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { OBJECT_SYNCS } from "@kedge/api";
import { CONFIG_MAPS, type Node, NODES, PODS, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { keepalive, type Message, newMessage, queryKubernetesCa } from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import { TestCa, TestKubernetes } from "@kedge/testing";
import { ROUTES } from "../src/cloudhub/https-routes.ts";
import { type CloudFixture, failingKube, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, httpsGet, join, of, signingRequest, StockEdge } from "./stock-edge.ts";

const timeout = 60_000;
const labels = { "node-role.kubernetes.io/edge": "" };

suite("CloudHub on a real Kubernetes API", { skip: TestKubernetes.missing(), timeout: 300_000 }, () => {
  let kubernetes: TestKubernetes;
  let shared: CloudFixture;
  let count = 0;

  before(async () => {
    kubernetes = await startKubernetes();
    shared = await startCloud(kubernetes);
  });
  after(async () => {
    await shared[Symbol.asyncDispose]();
    await kubernetes[Symbol.asyncDispose]();
  });

  /** A node of its own for each test: they share one cluster. */
  async function newEdge(fixture: CloudFixture = shared): Promise<EdgeIdentity> {
    const { cloud, kube, signal } = fixture;
    count += 1;
    const node = `edge-${count}`;
    await kube.create<Node>(NODES, { metadata: { name: node, labels } }, signal);
    return join(cloud.ports.https, await fixture.token(), node);
  }
  const connect = (identity: EdgeIdentity, headers?: Record<string, string>, { cloud }: CloudFixture = shared) =>
    StockEdge.connect(cloud.ports.websocket, identity, headers);

  suite("port 10002", () => {
    const bearer = async () => `Bearer ${(await shared.token()).split(".").slice(1).join(".")}`;

    /** Every route, and what it says to somebody without any credential; a new route must be added here. */
    const anonymous = new Map([
      ["GET /ca.crt", 200],
      ["GET /edge.crt", 401],
      ["GET /node/{nodename}", 404],
      ["POST /nodeupgrade", 401],
      ["POST /task/{taskType}/name/{taskID}/node/{nodeID}/status", 401],
    ]);
    test("lists each route with what it tells strangers", { timeout }, async () => {
      const { https } = shared.cloud.ports;
      assert.deepEqual(
        ROUTES.map(({ method, path }) => `${method} ${path}`).toSorted(),
        [...anonymous.keys()].toSorted(),
      );
      const { ca } = await newEdge();
      for (const { method, path } of ROUTES) {
        const answer = await httpsGet(https, path.replace("{nodename}", `edge-${count}`).replaceAll(/[{}]/g, ""), {
          ca,
          method,
          headers: { NodeName: "x" },
        });
        assert.equal(answer.status, anonymous.get(`${method} ${path}`), path);
      }
    });

    for (const [method, path] of [
      ["GET", "/nodeupgrade"],
      ["POST", "/task/upgrade/name/t/node/n/status/more"],
      ["GET", "/"],
      ["GET", "/node/"],
      ["GET", "/node/a/b"],
      ["GET", "/node/%zz"],
      ["DELETE", "/ca.crt"],
    ] as const)
      test(`W5: ${method} ${path} is not found`, { timeout }, async () => {
        const { status } = await httpsGet(shared.cloud.ports.https, path, { method });
        assert.equal(status, 404);
      });

    test("the CA comes as DER, and its hash is the token's first part", { timeout }, async () => {
      const { body } = await httpsGet(shared.cloud.ports.https, "/ca.crt");
      const stored = await shared.kube.get(SECRETS, { namespace: "kubeedge", name: "casecret" }, shared.signal);
      assert.deepEqual(Object.keys(stored.data ?? {}).toSorted(), ["cadata", "cakeydata"]);
      assert.equal(stored.type, "Opaque");
      assert.deepEqual(body, Buffer.from(stored.data?.["cadata"] ?? "", "base64"));
      const server = await shared.kube.get(SECRETS, { namespace: "kubeedge", name: "cloudcoresecret" }, shared.signal);
      assert.deepEqual(Object.keys(server.data ?? {}).toSorted(), ["cloudcoredata", "cloudcorekeydata"]);
      assert.equal((await shared.token()).split(".").length, 4);
    });

    test(
      "W1: whoever has a token gets a certificate for the name it gives, and only for that",
      { timeout },
      async () => {
        const { https } = shared.cloud.ports;
        const identity = await newEdge();
        const certificate = new X509Certificate(identity.cert);
        assert.equal(certificate.subject, `O=system:nodes\nCN=system:node:${identity.node}`);
        assert.equal(certificate.subjectAltName, undefined);
        const headers = { Authorization: await bearer(), NodeName: identity.node, ExtKeyUsages: "[1,2]" };
        const usages = await httpsGet(https, "/edge.crt", {
          ca: identity.ca,
          headers,
          body: signingRequest(`system:node:${identity.node}`).der,
        });
        assert.deepEqual(new X509Certificate(usages.body).keyUsage, ["1.3.6.1.5.5.7.3.2"]);
        const other = await httpsGet(https, "/edge.crt", {
          ca: identity.ca,
          headers,
          body: signingRequest("system:node:victim").der,
        });
        assert.equal(other.status, 403);
        assert.match(other.body.toString(), /victim/);
      },
    );

    test("W1: a node's certificate renews itself, and gives nobody another name", { timeout }, async () => {
      const { https } = shared.cloud.ports;
      const { node, ca, cert, key } = await newEdge();
      const body = signingRequest(`system:node:${node}`).der;
      const renewed = await httpsGet(https, "/edge.crt", { ca, cert, key, headers: { NodeName: node }, body });
      assert.equal(renewed.status, 200);
      const stolen = signingRequest("system:node:victim").der;
      // A certificate, once presented, alone decides: even with a good token.
      const headers = { NodeName: "victim", Authorization: await bearer() };
      assert.equal((await httpsGet(https, "/edge.crt", { ca, cert, key, headers, body: stolen })).status, 401);
    });

    test(
      "refuses certificates of other CAs, bad tokens, bad names and bad requests, and says why",
      { timeout },
      async () => {
        const { https } = shared.cloud.ports;
        const { ca } = await newEdge();
        const foreign = await (await TestCa.create("Other")).issueClient("system:node:x", ["system:nodes"]);
        const ask = (headers: Record<string, string>, body = signingRequest("system:node:x").der, identity = {}) =>
          httpsGet(https, "/edge.crt", { ca, headers, body, ...identity });
        const Authorization = await bearer();
        const cases = [
          {
            answer: await ask({ NodeName: "x" }, undefined, { cert: foreign.certificate, key: foreign.key }),
            status: 401,
            says: /not of this cluster/,
          },
          { answer: await ask({ NodeName: "x", Authorization: "Bearer a.b.c" }), status: 401, says: /malformed/ },
          { answer: await ask({ NodeName: "x", Authorization: "Basic x" }), status: 401, says: /Bearer/ },
          { answer: await ask({ NodeName: "../x", Authorization }), status: 400, says: /node name/ },
          { answer: await ask({ Authorization }), status: 400, says: /NodeName/ },
          {
            answer: await ask({ NodeName: "x", Authorization }, Buffer.from("garbage")),
            status: 400,
            says: /signing request/,
          },
          {
            answer: await ask({ NodeName: "x", Authorization }, Buffer.alloc(1024 * 1024 + 1)),
            status: 413,
            says: /bytes/,
          },
        ];
        for (const { answer, status, says } of cases) {
          assert.equal(answer.status, status);
          assert.match(answer.body.toString(), says);
        }
      },
    );

    test("W5: who may join learns whether a name is taken, others learn nothing", { timeout }, async () => {
      const { https } = shared.cloud.ports;
      const { node, ca, cert, key } = await newEdge();
      const headers = { Authorization: await bearer() };
      assert.deepEqual(await httpsGet(https, `/node/${node}`, { ca, headers }), {
        status: 200,
        body: Buffer.from("Node found"),
      });
      assert.equal((await httpsGet(https, "/node/free", { ca, headers })).status, 404);
      assert.equal((await httpsGet(https, `/node/${node}`, { ca, cert, key })).status, 200);
      assert.deepEqual(await httpsGet(https, `/node/${node}`, { ca }), {
        status: 404,
        body: Buffer.from("Node not found"),
      });
    });
  });

  suite("sessions", () => {
    test("W2: a node cannot connect as another", { timeout }, async () => {
      const identity = await newEdge();
      await assert.rejects(connect(identity, { node_id: "victim" }), /403/);
      await assert.rejects(connect(identity, { ConnectionUse: "str" }), /400/);
      assert.ok(!shared.cloud.connectedNodes().includes("victim"));
    });

    test("W3: the node limit refuses; the refused have no session", { timeout }, async () => {
      await using fixture = await startCloud(kubernetes, { nodeLimit: 1 });
      const [first, second] = [await newEdge(fixture), await newEdge(fixture)];
      await using edge = await connect(first, {}, fixture);
      await assert.rejects(connect(second, {}, fixture), /503/);
      assert.deepEqual(fixture.cloud.connectedNodes(), [first.node]);
      edge.socket.terminate();
    });

    test("W32: a newer session takes over, and the end of the older one does not touch it", { timeout }, async () => {
      const identity = await newEdge();
      await using older = await connect(identity);
      await using newer = await connect(identity);
      assert.deepEqual(await older.closed, { code: 4001, reason: "replaced by a newer session" });
      await shared.kube.create(PODS, podOn(identity.node, `p-${identity.node}`), shared.signal);
      await newer.wait(of(`default/pod/p-${identity.node}`));
      assert.ok(shared.cloud.connectedNodes().includes(identity.node));
    });

    test("a node that says nothing for longer than the keepalive interval is let go", { timeout }, async () => {
      await using fixture = await startCloud(kubernetes, { keepaliveInterval: 1 });
      await using edge = await connect(await newEdge(fixture), {}, fixture);
      assert.equal((await edge.closed).code, 4002);
      assert.deepEqual(fixture.cloud.connectedNodes(), []);
    });

    test(
      "W13: garbage, wrong types and huge messages cost the liar its connection, and nobody else",
      { timeout },
      async () => {
        const identity = await newEdge();
        await using honest = await connect(await newEdge());
        const lies: (string | Buffer)[] = [
          "",
          "{",
          "[]",
          "7",
          `"x"`,
          Buffer.from([0xff, 0xfe]),
          `{"header":[]}`,
          `{"route":{"resource":5}}`,
          `{"header":{"msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"insert","resource":"null/node/${identity.node}"},"content":"text"}`,
          `{"header":{"msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"patch","resource":"default/podpatch/x"},"content":{"a":[[[[]]]]}}`,
          `{"header":{"msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"update","resource":"default/podstatus"},"content":[null,7,{}]}`,
          `{"header":{"msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"query","resource":"a/b"},"content":null}`,
          `{"header":{"msg_id":"x","parent_msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"response","resource":"a/b/c"},"content":{}}`,
          `{"header":{"msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"insert","resource":"default/event/x"},"content":{"metadata":null}}`,
          `{"header":{"msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"query","resource":"default/serviceaccounttoken/x"},"content":{"spec":7}}`,
          `{"header":{"msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"insert","resource":"default/certificatesigningrequest/x"},"content":{"spec":{"request":7}}}`,
          `{"header":{"msg_id":"x","timestamp":1},"route":{"source":"edged","operation":"insert","resource":"default/pod/x"},"content":{"metadata":{"name":"x","annotations":7}}}`,
          JSON.stringify({
            header: { msg_id: "x", timestamp: 1 },
            route: { source: "edged", operation: "insert", resource: `null/node/${identity.node}` },
            content: { __proto__: { polluted: true }, metadata: { name: identity.node } },
          }),
          `{"content":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
        ];
        const liar = await connect(identity);
        for (const lie of lies) liar.socket.send(lie);
        liar.socket.send("garbage ".repeat(1_000));
        for (let at = 0; at < 20; at += 1) liar.socket.send("garbage");
        assert.equal((await liar.closed).code, 1008);
        const huge = await connect(identity);
        huge.socket.send(Buffer.alloc(33 * 1024 * 1024));
        assert.equal((await huge.closed).code, 1009);
        await shared.kube.create(PODS, podOn(honest.node, "honest"), shared.signal);
        await honest.wait(of("default/pod/honest"));
        honest.send(keepalive());
        assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
        assert.equal(honest.socket.readyState, honest.socket.OPEN);
      },
    );

    test("a message that claims to be the cloud's, or of another node, changes nothing", { timeout }, async () => {
      const [mine, other] = [await newEdge(), await newEdge()];
      await using edge = await connect(mine);
      const say = (source: string, operation: string, resource: string, content: unknown): Message =>
        newMessage({ source, group: "resource", operation, resource, content });
      edge.send(say("edgecontroller", "delete", `node/${other.node}/null/node/${other.node}`, null));
      const patch = JSON.stringify({ status: { phase: "Terminated" } });
      const answer = await edge.ask(say("edged", "patch", `null/nodepatch/${other.node}`, patch));
      assert.equal((answer.content as { Err: { ErrStatus: { reason: string } } }).Err.ErrStatus.reason, "Forbidden");
    });

    test("W44: the cloudcore annotation follows the session", { timeout }, async () => {
      const identity = await newEdge();
      await using edge = await connect(identity);
      await edge.wait(
        ({ route, content }) =>
          route.resource === `null/node/${identity.node}` &&
          (content as Node).metadata?.annotations?.["cloudcore"] === "127.0.0.1",
      );
    });

    test("deleting the node ends its session and its records", { timeout }, async () => {
      const identity = await newEdge();
      const { kube, signal } = shared;
      await using edge = await connect(identity);
      await edge.wait(of(`null/node/${identity.node}`));
      await kube.delete(NODES, { name: identity.node }, signal);
      assert.equal((await edge.closed).code, 4003);
      const records = () => kubernetes.kubectl("get", "clusterobjectsyncs", "-o", "name");
      while ((await records()).includes(`/${identity.node}.`)) await kube.raw("GET", "/readyz", signal);
    });
  });

  suite("delivery", () => {
    const version = async (node: string, uid: string | undefined) => {
      const { kube, signal } = shared;
      const record = await kube.get(OBJECT_SYNCS, { namespace: "default", name: `${node}.${uid}` }, signal);
      return record.status?.objectResourceVersion;
    };

    test("a record is 0 before the acknowledgement and the version after it", { timeout }, async () => {
      const { kube, signal } = shared;
      const identity = await newEdge();
      await using edge = await connect(identity);
      edge.acknowledges = () => false;
      const pod = await kube.create(PODS, podOn(identity.node, `p-${identity.node}`), signal);
      const pushed = await edge.wait(of(`default/pod/${pod.metadata?.name}`));
      while ((await version(identity.node, pod.metadata?.uid)) !== "0");
      edge.send({
        ...pushed,
        header: { msg_id: "ack", parent_msg_id: pushed.header.msg_id, timestamp: 1 },
        route: { ...pushed.route, operation: "response" },
        content: "OK",
      });
      while ((await version(identity.node, pod.metadata?.uid)) !== pod.metadata?.resourceVersion);
    });

    test(
      "what was acknowledged is not sent again after a reconnect; what changed or went away meanwhile is",
      { timeout },
      async () => {
        const { kube, signal } = shared;
        const identity = await newEdge();
        const { node } = identity;
        const names = { kept: `kept-${node}`, changed: `changed-${node}`, gone: `gone-${node}` };
        const pods = new Map<string, string>();
        {
          await using edge = await connect(identity);
          for (const name of Object.values(names)) {
            const { metadata } = await kube.create(PODS, podOn(node, name), signal);
            pods.set(name, metadata?.uid ?? "");
            await edge.wait(of(`default/pod/${name}`));
          }
          for (const uid of pods.values()) while ((await version(node, uid)) === "0");
        }
        while (shared.cloud.connectedNodes().includes(node)) await kube.raw("GET", "/readyz", signal);
        await kube.patch(
          PODS,
          { namespace: "default", name: names.changed },
          { type: "merge", body: { metadata: { labels: { a: "b" } } } },
          signal,
        );
        await kube.delete(PODS, { namespace: "default", name: names.gone }, signal, { gracePeriodSeconds: 0 });

        await using edge = await connect(identity);
        await edge.wait(of(`default/pod/${names.changed}`));
        const deleted = await edge.wait(of(`default/pod/${names.gone}`, "delete"));
        assert.deepEqual(deleted.content, {
          metadata: { name: names.gone, namespace: "default", uid: pods.get(names.gone) },
        });
        for (;;) {
          try {
            await version(node, pods.get(names.gone));
          } catch (error) {
            assert.equal((error as { code?: string }).code, "NotFound");
            break;
          }
        }
        assert.ok(!edge.received.some(of(`default/pod/${names.kept}`)), "what is acknowledged is not repeated");
      },
    );

    test("W21: a record that is there before our copy shows it is as good as our own", { timeout }, async () => {
      // As if another cloudcore had been faster each time.
      const late = (kube: KubeClient): KubeClient =>
        new Proxy(kube, {
          get(target, method) {
            const value: unknown = Reflect.get(target, method);
            if (typeof value !== "function") return value;
            return (...parameters: unknown[]): unknown => {
              const { resource } = (parameters[0] ?? {}) as { resource?: string };
              const call = () => Reflect.apply(value, target, parameters) as unknown;
              if (method !== "create" || resource !== OBJECT_SYNCS.resource) return call();
              return Promise.resolve(call()).then(call);
            };
          },
        });
      await using fixture = await startCloud(kubernetes, {}, silentLogger, late);
      const identity = await newEdge(fixture);
      await using edge = await connect(identity, undefined, fixture);
      const pod = await fixture.kube.create(PODS, podOn(identity.node, `late-${identity.node}`), fixture.signal);
      await edge.wait(of(`default/pod/${pod.metadata?.name}`));
      while ((await version(identity.node, pod.metadata?.uid)) !== pod.metadata?.resourceVersion);
    });

    test("W15: an object that is never acknowledged holds up no other", { timeout }, async () => {
      const { kube, signal } = shared;
      const identity = await newEdge();
      await using edge = await connect(identity);
      edge.acknowledges = of(`default/pod/free-${identity.node}`);
      await kube.create(PODS, podOn(identity.node, `stuck-${identity.node}`), signal);
      const stuck = await edge.wait(of(`default/pod/stuck-${identity.node}`));
      await kube.create(PODS, podOn(identity.node, `free-${identity.node}`), signal);
      await edge.wait(of(`default/pod/free-${identity.node}`));
      const again = await edge.next(of(`default/pod/stuck-${identity.node}`));
      assert.equal(again.header.msg_id, stuck.header.msg_id);
    });

    test("ConfigMap and Secret come before the pod, and their changes and deletion follow", { timeout }, async () => {
      const { kube, signal } = shared;
      const identity = await newEdge();
      const { node } = identity;
      await using edge = await connect(identity);
      const key = { namespace: "default", name: `c-${node}` };
      await kube.create(CONFIG_MAPS, { metadata: key, data: { k: "1" } }, signal);
      await kube.create(SECRETS, { metadata: key, data: { k: "Mg==" } }, signal);
      const init = { name: "init", image: "busybox", envFrom: [{ configMapRef: { name: key.name } }] };
      await kube.create(
        PODS,
        podOn(node, `p-${node}`, { initContainers: [init], imagePullSecrets: [{ name: key.name }] }),
        signal,
      );
      const pod = edge.received.indexOf(await edge.wait(of(`default/pod/p-${node}`)));
      assert.ok(edge.received.findIndex(of(`default/configmap/${key.name}`)) < pod);
      assert.ok(edge.received.findIndex(of(`default/secret/${key.name}`)) < pod);
      const changed = edge.next(of(`default/configmap/${key.name}`, "update"));
      await kube.patch(CONFIG_MAPS, key, { type: "merge", body: { data: { k: "2" } } }, signal);
      assert.deepEqual(((await changed).content as { data: unknown }).data, { k: "2" });
      await kube.delete(SECRETS, key, signal);
      await edge.wait(of(`default/secret/${key.name}`, "delete"));
    });

    test("an object deleted and created anew arrives as that", { timeout }, async () => {
      const { kube, signal } = shared;
      const identity = await newEdge();
      const { node } = identity;
      await using edge = await connect(identity);
      const pod = podOn(node, `p-${node}`);
      const first = await kube.create(PODS, pod, signal);
      await edge.wait(of(`default/pod/p-${node}`));
      await kube.delete(PODS, { namespace: "default", name: `p-${node}` }, signal, { gracePeriodSeconds: 0 });
      const second = await kube.create(PODS, pod, signal);
      await edge.wait(
        ({ content, route }) =>
          route.resource === `default/pod/p-${node}` &&
          (content as { metadata?: { uid?: string } }).metadata?.uid === second.metadata?.uid,
      );
      const uids = edge.received
        .filter(of(`default/pod/p-${node}`))
        .map(({ route, content }) => `${route.operation} ${(content as { metadata: { uid: string } }).metadata.uid}`);
      assert.ok(uids.indexOf(`delete ${first.metadata?.uid}`) < uids.indexOf(`insert ${second.metadata?.uid}`));
      assert.notEqual(uids.indexOf(`delete ${first.metadata?.uid}`), -1);
    });

    test(
      "W20, W22: a record that cannot be created or written is tried again, and nothing is lost meanwhile",
      { timeout },
      async () => {
        const failures = new Map([
          ["create", 1],
          ["patch", 2],
        ]);
        const fails = (method: string, resource: string) => {
          const left = resource === "objectsyncs" ? (failures.get(method) ?? 0) : 0;
          if (left > 0) failures.set(method, left - 1);
          return left > 0;
        };
        await using fixture = await startCloud(kubernetes, {}, silentLogger, (kube) => failingKube(kube, fails));
        const identity = await newEdge(fixture);
        await using edge = await connect(identity, {}, fixture);
        const pod = await shared.kube.create(PODS, podOn(identity.node, `p-${identity.node}`), shared.signal);
        await edge.wait(of(`default/pod/p-${identity.node}`));
        while ((await version(identity.node, pod.metadata?.uid)) !== pod.metadata?.resourceVersion);
        assert.deepEqual([...failures.values()], [0, 0]);
      },
    );

    /** As another cloudcore has left it: this node holds an object, in no version. */
    const recordOf = async (node: string, apiVersion: string, kind: string, name: string, uid: string) => {
      const metadata = { namespace: "default", name: `${node}.${uid}` };
      const spec = { objectAPIVersion: apiVersion, objectKind: kind, objectName: name };
      return shared.kube.create(OBJECT_SYNCS, { metadata, spec }, shared.signal);
    };

    test(
      "W28: records of nodes that are not here are left alone; of those that are, each is looked after",
      {
        timeout,
      },
      async () => {
        const { kube, signal } = shared;
        const [away, here] = [await newEdge(), await newEdge()];
        for (const { node } of [away, here]) await recordOf(node, "v1", "Pod", `gone-${node}`, "a-uid");
        await using edge = await connect(here);
        const { content } = await edge.wait(of(`default/pod/gone-${here.node}`, "delete"));
        assert.equal((content as { metadata: { uid: string } }).metadata.uid, "a-uid");
        assert.ok(!edge.received.some(of(`default/pod/gone-${away.node}`)));
        await kube.get(OBJECT_SYNCS, { namespace: "default", name: `${away.node}.a-uid` }, signal);
      },
    );

    test("W30: a kind whose plural nobody can guess is compared, too", { timeout }, async () => {
      const { kube, signal } = shared;
      const group = "gateway.test";
      const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
      const definition = {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: `gateways.${group}` },
        spec: {
          group,
          scope: "Namespaced",
          names: { plural: "gateways", singular: "gateway", kind: "Gateway", listKind: "GatewayList" },
          versions: [{ name: "v1", served: true, storage: true, schema }],
        },
      };
      await kube.raw("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", signal, definition);
      const gateway = { apiVersion: `${group}/v1`, kind: "Gateway", metadata: { name: "g" } };
      let created = { status: 0, body: "" };
      while (created.status !== 201)
        created = await kube.raw("POST", `/apis/${group}/v1/namespaces/default/gateways`, signal, gateway);
      const { metadata } = JSON.parse(created.body) as { metadata: { uid: string } };
      const identity = await newEdge();
      await recordOf(identity.node, `${group}/v1`, "Gateway", "g", metadata.uid);
      await using edge = await connect(identity);
      const pushed = await edge.wait(of("default/gateway/g", "update"));
      assert.equal((pushed.content as { metadata: { uid: string } }).metadata.uid, metadata.uid);
    });

    test("a cloudcore that stops first writes what its nodes have acknowledged", { timeout }, async () => {
      const identity = await newEdge();
      const { node } = identity;
      const { kube, signal } = shared;
      const key = { namespace: "default", name: `p-${node}` };
      const { metadata } = await kube.create(PODS, podOn(node, key.name), signal);
      const change = (label: string) =>
        kube.patch(PODS, key, { type: "merge", body: { metadata: { labels: { label } } } }, signal);
      let changed: Awaited<ReturnType<typeof change>>;
      {
        await using cloud = await startCloud(kubernetes);
        await using edge = await connect(identity, {}, cloud);
        await edge.wait(of(`default/pod/${key.name}`));
        while ((await version(node, metadata?.uid)) !== metadata?.resourceVersion); // written: the next waits its time
        changed = await change("b");
        await edge.next(of(`default/pod/${key.name}`, "update"));
        await edge.ask(queryKubernetesCa()); // after its acknowledgement, so that has been read
        assert.equal(await version(node, metadata?.uid), metadata?.resourceVersion);
      }
      assert.equal(await version(node, metadata?.uid), changed.metadata?.resourceVersion);
    });

    test("another cloudcore goes on where the first one ended", { timeout }, async () => {
      const identity = await newEdge();
      const { node } = identity;
      const { kube, signal } = shared;
      const pod = await kube.create(PODS, podOn(node, `p-${node}`), signal);
      {
        await using first = await startCloud(kubernetes);
        await using edge = await connect(identity, {}, first);
        await edge.wait(of(`default/pod/p-${node}`));
        while ((await version(node, pod.metadata?.uid)) === "0");
      }
      await kube.patch(
        PODS,
        { namespace: "default", name: `p-${node}` },
        { type: "merge", body: { metadata: { labels: { a: "b" } } } },
        signal,
      );
      await using second = await startCloud(kubernetes);
      await using edge = await connect(identity, {}, second);
      const { content } = await edge.wait(of(`default/pod/p-${node}`));
      assert.deepEqual((content as { metadata: { labels: unknown } }).metadata.labels, { a: "b" });
    });
  });

  test("the server certificate is made anew when addresses are added", { timeout }, async () => {
    const { kube, signal } = shared;
    const served = async () => {
      const { data } = await kube.get(SECRETS, { namespace: "kubeedge", name: "cloudcoresecret" }, signal);
      return data?.["cloudcoredata"] ?? "";
    };
    const before = await served();
    {
      await using _same = await startCloud(kubernetes);
      assert.equal(await served(), before);
    }
    await using _more = await startCloud(kubernetes, {
      advertiseAddress: ["127.0.0.1", "192.0.2.7"],
      dnsNames: ["cloud.example"],
    });
    const names = new X509Certificate(Buffer.from(await served(), "base64")).subjectAltName;
    assert.equal(names, "DNS:cloud.example, DNS:localhost, IP Address:127.0.0.1, IP Address:192.0.2.7");
  });

  test("metrics and health tell what is going on", { timeout }, async () => {
    const { monitor } = shared.cloud.ports;
    const get = (path: string) => fetch(`http://127.0.0.1:${monitor}${path}`);
    assert.equal((await get("/healthz")).status, 200);
    assert.equal((await get("/readyz")).status, 200);
    const metrics = await (await get("/metrics")).text();
    assert.match(metrics, /^KubeEdge_CloudHub_connected_nodes \d+$/m);
    assert.match(metrics, /^kedge_cloudhub_refused_total\{reason="notThatNode"\} \d+$/m);
    assert.match(metrics, /^kedge_cloudhub_traffic_bytes_total\{direction="out",resource="pod"\} \d+$/m);
    assert.match(metrics, /^kedge_cloudhub_traffic_bytes_total\{direction="in",resource="keepalive"\} \d+$/m);
    for (const load of ["opening", "waiting", "cut", "sent_away"])
      assert.match(metrics, new RegExp(`^kedge_cloudhub_${load} \\d+$`, "m"));
    assert.equal((await get("/debug")).status, 404);
  });
});
