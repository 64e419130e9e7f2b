import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "@kedge/kube";
import { silentLogger } from "@kedge/runtime";
import { NodeCloud } from "./node-cloud.test-data.ts";
import type { RuntimeFacts } from "./node-facts.ts";
import { nextLease, NodeLease } from "./node-lease.ts";
import { NodeReporter } from "./node-reporter.ts";

const signal = new AbortController().signal;

async function startReporter(cloud: NodeCloud, runtime: () => RuntimeFacts, registerNode: boolean = true) {
  const config = {
    registration: { nodeName: "edge-1", port: 10_350 },
    reservation: { maxPods: 110 },
    nodeIP: "10.0.0.5",
    rootDirectory: cloud.rootDirectory,
    agentVersion: "0.1.0",
    registerNode,
    updateIntervalMs: 10_000,
    reportIntervalMs: 300_000,
  };
  const { bus, clock } = cloud;
  return NodeReporter.start(config, { bus, clock, logger: silentLogger, runtime }, signal);
}

const READY: RuntimeFacts = { version: "containerd://1.6.20", errors: [] };

test("registers and is ready at once; then only tells what changed, and now and then that it lives", async () => {
  using cloud = new NodeCloud();
  await using reporter = await startReporter(cloud, () => READY);
  await cloud.askedFor("patchNodeStatus", 1);
  assert.deepEqual(cloud.asked, ["registerNode", "patchNodeStatus"]);
  assert.equal(cloud.ready(), "True");
  assert.equal(cloud.node?.status?.daemonEndpoints?.kubeletEndpoint?.Port, 10_350);
  assert.equal(reporter.node()?.metadata?.uid, "node-uid");
  assert.deepEqual(reporter.hostIPs(), ["10.0.0.5"]);

  for (let round = 0; round < 20; round += 1) {
    cloud.clock.advance(11_000);
    await cloud.clock.asleep();
  }
  assert.equal(cloud.count("patchNodeStatus"), 1, "an unchanged node is silent");
  for (let round = 0; round < 10; round += 1) {
    cloud.clock.advance(11_000);
    await cloud.clock.asleep();
  }
  assert.equal(cloud.count("patchNodeStatus"), 2, "until its report is due");
  assert.equal(cloud.count("registerNode"), 1);
});

test("tells within a second that the runtime is ready, and at once when asked to look", async () => {
  using cloud = new NodeCloud();
  let runtime: RuntimeFacts = { version: "", errors: ["container runtime is down"] };
  await using reporter = await startReporter(cloud, () => runtime);
  await cloud.askedFor("patchNodeStatus", 1);
  assert.equal(cloud.ready(), "False");

  runtime = READY;
  cloud.clock.advance(1_000);
  await cloud.askedFor("patchNodeStatus", 2);
  assert.equal(cloud.ready(), "True");
  runtime = { ...READY, errors: ["container runtime network not ready"] };
  reporter.reportSoon();
  await cloud.askedFor("patchNodeStatus", 3);
  assert.equal(cloud.ready(), "False");
});

test("a runtime that is restarted is not down; one that stays away is", async () => {
  using cloud = new NodeCloud();
  let runtime = READY;
  await using _ = await startReporter(cloud, () => runtime);
  await cloud.askedFor("patchNodeStatus", 1);
  runtime = { version: "", errors: ["container runtime is down"] };
  cloud.clock.advance(11_000);
  for (let second = 0; second < 15; second += 1) {
    await cloud.clock.asleep();
    cloud.clock.advance(1_000);
  }
  assert.equal(cloud.ready(), "True");
  cloud.clock.advance(10_000);
  await cloud.askedFor("patchNodeStatus", 2);
  assert.equal(cloud.ready(), "False");
  assert.equal(cloud.node?.status?.nodeInfo?.containerRuntimeVersion, "containerd://1.6.20");
  runtime = READY;
  cloud.clock.advance(1_000);
  await cloud.askedFor("patchNodeStatus", 3);
  assert.equal(cloud.ready(), "True");
});

test("W-09, W-15: asks nothing while the cloud is away, and tells everything when it is back", async () => {
  using cloud = new NodeCloud();
  await using reporter = await startReporter(cloud, () => READY);
  await cloud.askedFor("patchNodeStatus", 1);
  cloud.connect(false);
  for (let round = 0; round < 60; round += 1) {
    cloud.clock.advance(11_000);
    await cloud.clock.asleep();
  }
  assert.equal(cloud.asked.length, 2);

  // Meanwhile the cluster has given the node up, and the edge knows nothing of that.
  assert.ok(cloud.node);
  const conditions = cloud.node.status?.conditions?.map((condition) => ({ ...condition, status: "Unknown" })) ?? [];
  cloud.node = { ...cloud.node, status: { ...cloud.node.status, conditions } };
  cloud.connect(true);
  await cloud.askedFor("patchNodeStatus", 2);
  assert.equal(cloud.ready(), "True");
  assert.ok(reporter.registeredNode());
});

test("W-09, W-10: starts without the cloud, knows itself, and registers as soon as it can", async () => {
  using cloud = new NodeCloud();
  cloud.online = false;
  await using reporter = await startReporter(cloud, () => READY);
  await cloud.askedFor("registerNode", 1);
  assert.equal(reporter.registeredNode(), undefined);
  assert.ok(reporter.allocatable()["memory"]);
  cloud.connect(true);
  await cloud.askedFor("patchNodeStatus", 1);
  assert.equal(cloud.ready(), "True");
});

test("puts labels right that say what the machine is, once, and leaves the others", async () => {
  using cloud = new NodeCloud();
  cloud.node = { metadata: { name: "edge-1", uid: "u", labels: { "kubernetes.io/hostname": "old", mine: "1" } } };
  await using _ = await startReporter(cloud, () => READY);
  await cloud.askedFor("patchNodeStatus", 1);
  const labels: Record<string, string> = cloud.node?.metadata?.labels ?? {};
  assert.equal(labels["kubernetes.io/hostname"], "edge-1");
  assert.equal(labels["mine"], "1");
});

test("knows its node as others change it", async () => {
  using cloud = new NodeCloud();
  await using reporter = await startReporter(cloud, () => READY);
  await cloud.askedFor("patchNodeStatus", 1);
  assert.ok(cloud.stored);
  const { metadata } = cloud.stored;
  cloud.stored = { ...cloud.stored, metadata: { ...metadata, labels: { ...metadata?.labels, disk: "ssd" } } };
  cloud.clock.advance(11_000);
  await cloud.clock.asleep();
  assert.equal(reporter.node()?.metadata?.labels?.["disk"], "ssd");
  assert.equal(cloud.count("patchNodeStatus"), 1);
});

test("without registerNode it waits for somebody to create the node", async () => {
  using cloud = new NodeCloud();
  await using _ = await startReporter(cloud, () => READY, false);
  await cloud.clock.asleep();
  assert.deepEqual(cloud.asked, []);
  cloud.node = cloud.stored = { metadata: { name: "edge-1", uid: "u" } };
  cloud.bus.notify("meta/objectChanged", { type: "node", key: { name: "edge-1" } });
  await cloud.askedFor("patchNodeStatus", 1);
  assert.equal(cloud.count("registerNode"), 0);
});

function startLease(cloud: NodeCloud, node: () => Node | undefined, onRecovered: () => void = () => {}) {
  const { bus, clock } = cloud;
  const config = { nodeName: "edge-1", durationSeconds: 40 };
  return NodeLease.start(config, { bus, clock, logger: silentLogger, node, onRecovered });
}

const OWNER: Node = { metadata: { name: "edge-1", uid: "node-uid" } };

test("the lease is created for its node and renewed four times in its life", async () => {
  using cloud = new NodeCloud();
  await using _ = startLease(cloud, () => OWNER);
  await cloud.askedFor("createLease", 1);
  assert.deepEqual(cloud.lease, {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name: "edge-1",
      namespace: "kube-node-lease",
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: "edge-1", uid: "node-uid" }],
      resourceVersion: "1",
    },
    spec: { holderIdentity: "edge-1", leaseDurationSeconds: 40, renewTime: "2026-01-01T00:00:00.000000Z" },
  });
  for (let renewals = 1; renewals <= 4; renewals += 1) {
    cloud.clock.advance(10_400);
    await cloud.askedFor("updateLease", renewals);
  }
  assert.equal(cloud.lease?.spec?.renewTime, "2026-01-01T00:00:41.600000Z");
});

test("W-09: the lease asks nothing while the cloud is away, is renewed at once after, and says that it had run out", async () => {
  using cloud = new NodeCloud();
  let recovered = 0;
  await using _ = startLease(
    cloud,
    () => OWNER,
    () => (recovered += 1),
  );
  await cloud.askedFor("createLease", 1);
  cloud.connect(false);
  for (let round = 0; round < 6; round += 1) {
    cloud.clock.advance(11_000);
    await cloud.clock.asleep();
  }
  assert.equal(cloud.count("updateLease"), 0);
  cloud.connect(true);
  await cloud.askedFor("updateLease", 1);
  assert.equal(recovered, 1);
});

test("a lease that somebody changed or removed is read and written again", async () => {
  using cloud = new NodeCloud();
  await using _ = startLease(cloud, () => OWNER);
  await cloud.askedFor("createLease", 1);
  assert.ok(cloud.lease);
  cloud.lease = { ...cloud.lease, metadata: { ...cloud.lease.metadata, resourceVersion: "77" } };
  cloud.clock.advance(10_400);
  await cloud.askedFor("updateLease", 2);
  cloud.lease = undefined;
  cloud.clock.advance(10_400);
  await cloud.askedFor("createLease", 2);
  assert.ok(cloud.lease);
});

test("the lease waits for the node that owns it", async () => {
  using cloud = new NodeCloud();
  const cluster: { node?: Node } = {};
  await using _ = startLease(cloud, () => cluster.node);
  await cloud.clock.asleep();
  assert.deepEqual(cloud.asked, []);
  cluster.node = OWNER;
  cloud.clock.advance(100);
  await cloud.askedFor("createLease", 1);
});

test("what a renewal sends is small", () => {
  const known = {
    metadata: { name: "edge-1", uid: "l", resourceVersion: "5", managedFields: [{ manager: "x".repeat(500) }] },
    spec: { acquireTime: "2026-01-01T00:00:00.000000Z" },
  };
  const lease = nextLease(known, OWNER, { nodeName: "edge-1", durationSeconds: 40 }, 0);
  assert.ok(JSON.stringify(lease).length < 450);
  assert.deepEqual([lease.metadata?.resourceVersion, lease.spec?.acquireTime], ["5", "2026-01-01T00:00:00.000000Z"]);
});

test("a node that is deleted while the agent runs registers anew, and its lease gets the new owner", async () => {
  using cloud = new NodeCloud();
  await using reporter = await startReporter(cloud, () => READY);
  let recreated = 0;
  reporter.onNewNode(() => (recreated += 1));
  await cloud.askedFor("patchNodeStatus", 1);
  await using lease = startLease(cloud, () => reporter.registeredNode());
  reporter.onNewNode(() => lease.renewSoon());
  await cloud.askedFor("createLease", 1);
  cloud.deleteNode();
  cloud.connect(true); // the cloud ends the session of a node that is deleted
  await cloud.askedFor("registerNode", 2);
  await cloud.told(
    (node) => node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true,
  );
  assert.equal(cloud.node?.metadata?.uid, "node-uid-2");
  assert.equal(recreated, 1);
  await cloud.leased("node-uid-2");
});

test("a lease that was removed makes the agent look after its node, though the session goes on", async () => {
  using cloud = new NodeCloud();
  await using reporter = await startReporter(cloud, () => READY);
  await cloud.askedFor("patchNodeStatus", 1);
  await using _ = startLease(
    cloud,
    () => reporter.registeredNode(),
    () => reporter.reportAll(),
  );
  await cloud.askedFor("createLease", 1);
  cloud.deleteNode();
  cloud.lease = undefined; // garbage, as its owner is gone
  cloud.clock.advance(10_400);
  await cloud.askedFor("registerNode", 2);
  await cloud.askedFor("patchNodeStatus", 3);
  assert.equal(cloud.ready(), "True");
});

test("what is stored of the node may be of one that was deleted: the lease waits until the cloud has told", async () => {
  using cloud = new NodeCloud();
  cloud.node = { metadata: { name: "edge-1", uid: "new" } };
  cloud.stored = { metadata: { name: "edge-1", uid: "old" } };
  await using reporter = await startReporter(cloud, () => READY);
  let recreated = 0;
  reporter.onNewNode(() => (recreated += 1));
  assert.equal(reporter.registeredNode(), undefined);
  await using _ = startLease(cloud, () => reporter.registeredNode());
  await cloud.askedFor("patchNodeStatus", 1);
  cloud.clock.advance(1_000);
  await cloud.leased("new");
  assert.equal(recreated, 1);
  assert.equal(cloud.node?.metadata?.labels?.["kubernetes.io/hostname"], "edge-1", "all that it lacks is told");
});

test("a node that somebody created anew is told of by the cloud", async () => {
  using cloud = new NodeCloud();
  await using reporter = await startReporter(cloud, () => READY);
  let recreated = 0;
  reporter.onNewNode(() => (recreated += 1));
  await cloud.askedFor("patchNodeStatus", 1);
  cloud.node = cloud.stored = { metadata: { name: "edge-1", uid: "other", resourceVersion: "50" } };
  cloud.bus.notify("meta/objectChanged", { type: "node", key: { name: "edge-1" } });
  await cloud.askedFor("patchNodeStatus", 2);
  assert.equal(reporter.registeredNode()?.metadata?.uid, "other");
  assert.equal(cloud.ready(), "True");
  assert.equal(recreated, 1);
});

test("a node that the cloud says is gone is asked after at once", async () => {
  using cloud = new NodeCloud();
  await using _ = await startReporter(cloud, () => READY);
  await cloud.askedFor("patchNodeStatus", 1);
  cloud.clock.advance(11_000); // it has seen what is stored
  await cloud.clock.asleep();
  cloud.deleteNode();
  cloud.stored = undefined;
  cloud.bus.notify("meta/objectChanged", { type: "node", key: { name: "edge-1" } });
  await cloud.askedFor("registerNode", 2);
});
