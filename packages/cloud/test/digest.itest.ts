import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { OBJECT_SYNCS } from "@kedge/api";
import { CONFIG_MAPS, type KubeObject, type Node, NODES, PODS, SECRETS } from "@kedge/kube";
import { bucketOf, digestOf, digestQuestion, digestRoot, type HeldObject, parseResource } from "@kedge/protocol";
import { TestKubernetes } from "@kedge/testing";
import { type CloudFixture, podOn, startCloud, startKubernetes } from "./cloud-fixture.ts";
import { join, of, StockEdge } from "./stock-edge.ts";

const timeout = 60_000;
const labels = { "node-role.kubernetes.io/edge": "" };

/** What an edge that stores all it is told would hold. */
function heldBy({ received }: StockEdge): Map<string, HeldObject> {
  const held = new Map<string, HeldObject>();
  for (const { route, content } of received) {
    const { type, namespace, name } = parseResource(route.resource) ?? {};
    const { uid, resourceVersion } = (content as KubeObject | undefined)?.metadata ?? {};
    if (route.group !== "resource" || type === undefined || name === undefined) continue;
    if (route.operation === "delete") held.delete(route.resource ?? "");
    else if (uid !== undefined && resourceVersion !== undefined)
      held.set(route.resource ?? "", {
        type,
        ...(namespace !== undefined && { namespace }),
        name,
        uid,
        version: resourceVersion,
      });
  }
  return held;
}

const buckets = Array.from({ length: 64 }, (_, bucket) => bucket);

suite("digests, on a real Kubernetes API", { skip: TestKubernetes.missing(), timeout: 300_000 }, () => {
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

  /** A node with a pod that needs a ConfigMap and a Secret; it has all of them, and has said so. */
  async function settledEdge() {
    const { cloud, kube, signal } = shared;
    count += 1;
    const node = `edge-${count}`;
    await kube.create<Node>(NODES, { metadata: { name: node, labels } }, signal);
    const name = `of-${node}`;
    const metadata = { namespace: "default", name };
    await kube.create(CONFIG_MAPS, { metadata, data: { a: "1" } }, signal);
    await kube.create(SECRETS, { metadata, stringData: { b: "2" } } as KubeObject, signal);
    const volumes = [
      { name: "c", configMap: { name } },
      { name: "s", secret: { secretName: name } },
    ];
    await kube.create(PODS, podOn(node, name, { volumes }), signal);
    const edge = await StockEdge.connect(
      cloud.ports.websocket,
      await join(cloud.ports.https, await shared.token(), node),
    );
    for (const type of ["configmap", "secret", "pod"]) await edge.wait(of(`default/${type}/${name}`));
    await edge.wait(of(`null/node/${node}`));
    return { edge, node, name };
  }

  const sameRoot = async (edge: StockEdge, held: Iterable<HeldObject>) =>
    (await edge.ask(digestQuestion({ root: digestRoot(digestOf(held)) }))).content;
  const list = (edge: StockEdge, held: Iterable<HeldObject>) => edge.ask(digestQuestion({ buckets, held: [...held] }));

  test("a node in step is told OK; one that is not gets the buckets", { timeout }, async () => {
    const { edge, name } = await settledEdge();
    await using _edge = edge;
    // The node object may change once more when its annotation is written.
    while ((await sameRoot(edge, heldBy(edge).values())) !== "OK");
    const held = heldBy(edge);
    const pod = held.get(`default/pod/${name}`);
    assert.ok(pod);
    held.delete(`default/pod/${name}`);
    const answer = (await sameRoot(edge, held.values())) as { buckets: string[] };
    const mine = digestOf(held.values()).buckets;
    assert.deepEqual(
      buckets.filter((bucket) => mine[bucket] !== answer.buckets[bucket]),
      [bucketOf(pod)],
    );
  });

  for (const how of ["lost", "older"] as const)
    test(`what a node has ${how === "lost" ? "lost" : "in an older state"} comes again`, { timeout }, async () => {
      const { edge, name } = await settledEdge();
      await using _edge = edge;
      const resource = `default/pod/${name}`;
      const held = heldBy(edge);
      const pod = held.get(resource);
      assert.ok(pod);
      held.delete(resource);
      if (how === "older") held.set(resource, { ...pod, version: "1" });
      const again = edge.next(of(resource, "update"));
      await list(edge, held.values());
      assert.equal(((await again).content as KubeObject).metadata?.uid, pod.uid);
      while ((await sameRoot(edge, heldBy(edge).values())) !== "OK");
    });

  test(
    "what is gone from the cluster goes from the node, though no record says that it was there",
    { timeout },
    async () => {
      const { edge } = await settledEdge();
      await using _edge = edge;
      const orphan = { type: "pod", namespace: "default", name: "orphan", uid: "gone", version: "1" };
      const removed = edge.next(of("default/pod/orphan", "delete"));
      await list(edge, [...heldBy(edge).values(), orphan]);
      assert.equal(((await removed).content as KubeObject).metadata?.uid, "gone");
    },
  );

  test("a record that was lost is made anew", { timeout }, async () => {
    const { edge, node, name } = await settledEdge();
    await using _edge = edge;
    const { kube, signal } = shared;
    const held = heldBy(edge);
    const pod = held.get(`default/pod/${name}`);
    assert.ok(pod);
    const key = { namespace: "default", name: `${node}.${pod.uid}` };
    while ((await kube.get(OBJECT_SYNCS, key, signal)).status?.objectResourceVersion !== pod.version);
    await kube.delete(OBJECT_SYNCS, key, signal);
    while ((await sameRoot(edge, heldBy(edge).values())) === "OK");
    const again = edge.next(of(`default/pod/${name}`, "update"));
    await list(edge, held.values());
    await again;
    while ((await sameRoot(edge, heldBy(edge).values())) !== "OK");
  });

  test("a node learns nothing by naming what it must not see", { timeout }, async () => {
    const [{ edge }, other] = [await settledEdge(), await settledEdge()];
    await using _edge = edge;
    await using _other = other.edge;
    const theirs = [...heldBy(other.edge).values()];
    assert.ok(theirs.some(({ type }) => type === "secret"));
    const before = edge.received.length;
    await list(edge, [...heldBy(edge).values(), ...theirs]);
    const told = edge.received.slice(before).filter(({ route }) => route.resource?.includes(other.name));
    assert.deepEqual(
      told.map(({ route }) => `${route.operation} ${route.resource}`),
      [`delete default/pod/${other.name}`],
      "the other node's pod is none of ours, so it must go; of its Secret and ConfigMap we hear nothing",
    );
  });

  test("what makes no sense costs only itself", { timeout }, async () => {
    const { edge } = await settledEdge();
    await using _edge = edge;
    const nonsense = digestQuestion({ root: "" });
    edge.send({ ...nonsense, content: { buckets: "all" } });
    while ((await sameRoot(edge, heldBy(edge).values())) !== "OK");
  });
});
