import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { OBJECT_SYNCS } from "@kedge/api";
import { CONFIG_MAPS, type KubeObject, type Node, NODES, PODS } from "@kedge/kube";
import { newMessage, Operation, queryKubernetesCa } from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import { recordName } from "../src/cloudhub/sync-record.ts";
import { type CloudFixture, failingKube, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { type EdgeIdentity, join, of, StockEdge } from "./stock-edge.ts";

const timeout = 60_000;
const labels = { "node-role.kubernetes.io/edge": "" };
/** What no other test of this package tries; `docs/COMPARISON.md` names all of them. */
suite("weaknesses of the channel", { skip: TestKubernetes.missing(), timeout: 300_000 }, () => {
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

  async function newEdge(): Promise<EdgeIdentity> {
    const { cloud, kube, signal } = shared;
    count += 1;
    const node = `weak-${count}`;
    await kube.create<Node>(NODES, { metadata: { name: node, labels } }, signal);
    return join(cloud.ports.https, await shared.token(), node);
  }

  /** As if the node had acknowledged the object when it had this version. */
  async function record(node: string, object: KubeObject, version: string): Promise<void> {
    const { kube, signal } = shared;
    const { name = "", namespace = "", uid = "" } = object.metadata ?? {};
    const key = { namespace, name: recordName(node, uid) };
    const spec = { objectAPIVersion: object.apiVersion, objectKind: object.kind, objectName: name };
    await kube.create(OBJECT_SYNCS, { metadata: key, spec } as KubeObject, signal);
    const patch = { type: "merge", body: { status: { objectResourceVersion: version } } } as const;
    await kube.patch(OBJECT_SYNCS, key, patch, signal, { subresource: "status" });
  }

  /** A CloudCore of its own, and what it asks of the API server. */
  async function watchedCloud() {
    const calls: string[] = [];
    const fixture = await startCloud(kubernetes, {}, silentLogger, (kube) =>
      failingKube(kube, (method, resource) => {
        calls.push(`${method} ${resource}`);
        return false;
      }),
    );
    return { fixture, calls };
  }

  /** Resolves once CloudCore has worked on all that was in the cluster before. */
  async function seenAll({ cloud, kube, signal }: CloudFixture, { node, ...identity }: EdgeIdentity): Promise<void> {
    await using edge = await StockEdge.connect(cloud.ports.websocket, { node, ...identity });
    await kube.create(PODS, podOn(node, `last-${node}`), signal);
    await edge.wait(of(`default/pod/last-${node}`));
  }

  test(
    "W9: reports of node tasks that nobody reads hold up nothing, however many and however odd",
    { timeout },
    async () => {
      await using edge = await StockEdge.connect(shared.cloud.ports.websocket, await newEdge());
      const resources = [
        "",
        "a",
        "a/b",
        "nodeupgradejob/j/node",
        `operations.kubeedge.io/v1alpha2/j/node/${edge.node}`,
      ];
      for (const operation of [Operation.prepull, Operation.upgrade, Operation.updateNodeActionStatus])
        for (let at = 0; at < 200; at += 1)
          edge.send(
            newMessage({
              source: "edgehub",
              group: at % 2 === 0 ? "taskmanager" : "resource",
              operation,
              resource: resources[at % resources.length] ?? "",
              content: null,
            }),
          );
      const question = queryKubernetesCa();
      assert.equal((await edge.ask(question)).header.parent_msg_id, question.header.msg_id);
    },
  );

  test(
    "W25: for a node that is not connected nothing waits, and once it connects it gets all",
    { timeout },
    async () => {
      const { fixture, calls } = await watchedCloud();
      await using _fixture = fixture;
      const { cloud, kube, signal } = fixture;
      const [away, other] = [await newEdge(), await newEdge()];
      const names = [1, 2, 3].map((each) => `p${each}-${away.node}`);
      for (const name of names) await kube.create(PODS, podOn(away.node, name), signal);
      await seenAll(fixture, other);
      const created = calls.filter((call) => call === "create objectsyncs");
      assert.equal(created.length, 1, "the record of the other node's pod");
      const metrics = async () => (await fetch(`http://127.0.0.1:${cloud.ports.monitor}/metrics`)).text();
      while (!(await metrics()).includes("\nkedge_cloudhub_unacknowledged 0\n"));
      await using edge = await StockEdge.connect(cloud.ports.websocket, away);
      for (const name of names) await edge.wait(of(`default/pod/${name}`));
    },
  );

  test(
    "W28: what a node missed is looked at when it connects, not while it is away, and said once",
    { timeout },
    async () => {
      const { kube, signal } = shared;
      const [identity, other] = [await newEdge(), await newEdge()];
      const { node } = identity;
      const gone = { namespace: "default", name: `gone-${node}`, uid: "2dd3b5ae-6a1a-4a5e-8f0e-8f9f7f0c9f11" };
      await record(node, { apiVersion: "v1", kind: "Pod", metadata: gone }, "5");
      const stale = await kube.create(PODS, podOn(node, `stale-${node}`), signal);
      await record(node, { ...stale, apiVersion: "v1", kind: "Pod" }, "1");

      const { fixture, calls } = await watchedCloud();
      await using _fixture = fixture;
      await seenAll(fixture, other);
      const whileAway = calls.filter((call) => /^(get pods|delete objectsyncs)$/.test(call));
      assert.deepEqual(whileAway, []);

      await using edge = await StockEdge.connect(fixture.cloud.ports.websocket, identity);
      await edge.wait(of(`default/pod/${gone.name}`, "delete"));
      await edge.wait(of(`default/pod/stale-${node}`));
      const stored = async () => (await kube.list(OBJECT_SYNCS, { namespace: "default" }, signal)).items;
      while ((await stored()).some(({ metadata }) => metadata?.name === recordName(node, gone.uid)));
      assert.equal(edge.received.filter(of(`default/pod/${gone.name}`)).length, 1);
      assert.equal(edge.received.filter(of(`default/pod/stale-${node}`)).length, 1);
    },
  );

  test(
    "W33: a ConfigMap that is deleted and created anew still reaches the nodes that need it",
    { timeout },
    async () => {
      const { cloud, kube, signal } = shared;
      const identity = await newEdge();
      const { node } = identity;
      await using edge = await StockEdge.connect(cloud.ports.websocket, identity);
      const key = { namespace: "default", name: `again-${node}` };
      const values = (value: string) => ({ metadata: key, data: { value } });
      await kube.create(CONFIG_MAPS, values("1"), signal);
      const init = { name: "init", image: "busybox", envFrom: [{ configMapRef: { name: key.name } }] };
      await kube.create(PODS, podOn(node, `p-${node}`, { initContainers: [init] }), signal);
      await edge.wait(of(`default/configmap/${key.name}`));
      for (const value of ["2", "3"]) {
        const deleted = edge.next(of(`default/configmap/${key.name}`, "delete"));
        await kube.delete(CONFIG_MAPS, key, signal);
        await deleted;
        const created = edge.next(of(`default/configmap/${key.name}`));
        await kube.create(CONFIG_MAPS, values(value), signal);
        assert.deepEqual(((await created).content as { data: unknown }).data, { value });
      }
    },
  );
});
