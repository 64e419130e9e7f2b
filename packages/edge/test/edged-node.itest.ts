import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type KubeObject, LEASES, type Node, NODES } from "@kedge/kube";
import { hasCode, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { TestKubernetes } from "@kedge/testing";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import type { RuntimeFacts } from "../src/edged/node/node-facts.ts";
import { NodeLease } from "../src/edged/node/node-lease.ts";
import { NodeReporter } from "../src/edged/node/node-reporter.ts";

const TIMEOUT_MS = 120_000;
const NAME = "edge-1";

test(
  "a real API server takes the node, its status and its lease",
  {
    skip: TestKubernetes.missing(),
    timeout: TIMEOUT_MS,
  },
  async () => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    await using scope = new AsyncDisposableStack();
    const rootDirectory = mkdtempSync(join(tmpdir(), "kedge-node-"));
    scope.defer(() => rmSync(rootDirectory, { recursive: true }));
    const kubernetes = scope.use(await TestKubernetes.start());
    const kube = scope.use(kubernetes.connect());

    // The way up, without the link: what MetaManager, CloudHub and EdgeController do with these messages.
    const bus = new MessageBus<EdgeMessages, EdgeNotices>();
    let stored: Node | undefined;
    const reports: Node[] = [];
    const waiting: { count: number; resolve: () => void }[] = [];
    const found = <T extends KubeObject>(asked: Promise<T>) =>
      asked.catch((error: unknown) => {
        if (hasCode(error, "NotFound")) return undefined;
        throw error;
      });
    bus.handle("meta/getNode", () => stored);
    bus.handle("meta/registerNode", async (node, abort) => {
      stored = (await found(kube.get(NODES, { name: NAME }, abort))) ?? (await kube.create(NODES, node, abort));
      return stored;
    });
    bus.handle("meta/patchNodeStatus", async ({ name, patch }, abort) => {
      const body: unknown = JSON.parse(patch);
      stored = await kube.patch(NODES, { name }, { type: "strategic", body }, abort, { subresource: "status" });
      reports.push(stored);
      for (const waiter of waiting) if (reports.length >= waiter.count) waiter.resolve();
      return stored;
    });
    bus.handle("meta/getLease", (key, abort) => found(kube.get(LEASES, key, abort)));
    bus.handle("meta/createLease", (lease, abort) => kube.create(LEASES, lease, abort));
    const renewed = Promise.withResolvers<void>();
    bus.handle("meta/updateLease", async (lease, abort) => {
      const updated = await kube.update(LEASES, lease, abort);
      renewed.resolve();
      return updated;
    });
    const reported = (count: number) =>
      reports.length >= count ? Promise.resolve() : new Promise<void>((resolve) => waiting.push({ count, resolve }));
    const conditionsOf = async () => {
      const node = await kube.get(NODES, { name: NAME }, signal);
      return (node.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason ?? ""}`);
    };
    const healthy = [
      "MemoryPressure=False KubeletHasSufficientMemory",
      "DiskPressure=False KubeletHasNoDiskPressure",
      "PIDPressure=False KubeletHasSufficientPID",
      "Ready=True EdgeReady",
    ];

    let runtime: RuntimeFacts = { version: "", errors: ["container runtime is down"] };
    const reporter = scope.use(
      await NodeReporter.start(
        {
          registration: { nodeName: NAME, port: 10_350, labels: { zone: "north" } },
          reservation: { maxPods: 110, evictionHard: { "memory.available": "100Mi", "nodefs.available": "10%" } },
          nodeIP: "10.0.0.5,fd00::5",
          rootDirectory,
          agentVersion: "0.1.0",
          registerNode: true,
          updateIntervalMs: 10_000,
          reportIntervalMs: 300_000,
        },
        { bus, logger: silentLogger, clock: systemClock, runtime: () => runtime },
        signal,
      ),
    );
    await reported(1);
    assert.ok((await conditionsOf()).includes("Ready=False KubeletNotReady"));
    runtime = { version: "containerd://1.6.20", errors: [] };
    reporter.reportSoon();
    await reported(2);
    assert.deepEqual(await conditionsOf(), healthy);
    const node = await kube.get(NODES, { name: NAME }, signal);
    assert.deepEqual(node.status?.addresses, [
      { type: "InternalIP", address: "10.0.0.5" },
      { type: "InternalIP", address: "fd00::5" },
      { type: "Hostname", address: NAME },
    ]);
    assert.equal(node.status?.nodeInfo?.containerRuntimeVersion, "containerd://1.6.20");
    assert.equal(node.status?.daemonEndpoints?.kubeletEndpoint?.Port, 10_350);
    assert.equal(node.metadata?.labels?.["node-role.kubernetes.io/edge"], "");
    assert.deepEqual(node.status?.allocatable, reporter.allocatable());

    // Cut off: the cluster gives the node up, and the edge does not hear of it.
    const lost = (node.status?.conditions ?? []).map(({ type }) => ({
      type,
      status: "Unknown",
      reason: "NodeStatusUnknown",
    }));
    const body = { status: { conditions: lost } };
    await kube.patch(NODES, { name: NAME }, { type: "strategic", body }, signal, { subresource: "status" });
    bus.notify("hub/connection", { connected: false });
    bus.notify("hub/connection", { connected: true });
    await reported(3);
    assert.deepEqual(await conditionsOf(), healthy);

    scope.use(
      NodeLease.start(
        { nodeName: NAME, durationSeconds: 1 },
        { bus, logger: silentLogger, clock: systemClock, node: () => reporter.registeredNode(), onRecovered: () => {} },
      ),
    );
    await renewed.promise;
    const lease = await kube.get(LEASES, { namespace: "kube-node-lease", name: NAME }, signal);
    assert.equal(lease.spec?.holderIdentity, NAME);
    assert.equal(lease.metadata?.ownerReferences?.[0]?.uid, node.metadata?.uid);
  },
);
