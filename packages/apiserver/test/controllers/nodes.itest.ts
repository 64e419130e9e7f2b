import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findCondition, LEASES, type Node, NODES, type Pod, PODS, SERVICE_ACCOUNTS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { systemClock } from "@kedge/runtime";
import { setNodeReady, TestKubelet, TestKubernetes } from "@kedge/testing";
import { CONTROL_PLANES, type ControlPlane } from "./control-planes.ts";
import { waitFor } from "./wait-for.ts";

const timings = { nodeGraceMs: 700, nodeStartupGraceMs: 700, nodeGoneMs: 300, podGcMs: 500 };

for (const plane of CONTROL_PLANES)
  describe(`nodes that go away on ${plane.name}`, { skip: TestKubernetes.missing(), timeout: 60_000 }, () => {
    let signal: AbortSignal;
    let kubernetes: ControlPlane;
    let kube: KubeClient;
    const scope = new AsyncDisposableStack();

    before(async () => {
      signal = AbortSignal.timeout(40_000);
      kubernetes = scope.use(await plane.start(timings, signal));
      kube = kubernetes.kube;
      await waitFor(kube, SERVICE_ACCOUNTS, "default", (objects) => objects.length === 1, signal);
    });
    after(() => scope.disposeAsync());

    const pod = (name: string, nodeName: string, tolerationSeconds: number): Pod => ({
      metadata: { namespace: "default", name },
      spec: {
        nodeName,
        containers: [{ name: "a", image: "a" }],
        tolerations: ["not-ready", "unreachable"].map((key) => ({
          key: `node.kubernetes.io/${key}`,
          operator: "Exists",
          effect: "NoExecute",
          tolerationSeconds,
        })),
      },
    });
    const node = (objects: Node[], name: string) => objects.find(({ metadata }) => metadata?.name === name);
    const readyOf = (object: Pod | Node | undefined) =>
      findCondition<{ type: string; status: string; reason?: string }>(object?.status?.conditions, "Ready");
    const taintsOf = (object: Node | undefined) =>
      (object?.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort((a, b) => a.localeCompare(b));

    test("a silent node becomes Unknown, is tainted, and loses its pods after their tolerations", async () => {
      const name = "silent";
      await using _ = await TestKubelet.start(kube, name);
      await kube.create(PODS, pod("patient", name, 3_600), signal);
      await kube.create(PODS, pod("impatient", name, 1), signal);
      const nodes = await waitFor(kube, NODES, undefined, (all) => taintsOf(node(all, name)).length === 2, signal);
      assert.deepEqual(taintsOf(node(nodes, name)), [
        "node.kubernetes.io/unreachable:NoExecute",
        "node.kubernetes.io/unreachable:NoSchedule",
      ]);
      const ready = readyOf(node(nodes, name));
      assert.deepEqual([ready?.status, ready?.reason], ["Unknown", "NodeStatusUnknown"]);
      const left = await waitFor(
        kube,
        PODS,
        "default",
        (pods) =>
          pods.map(({ metadata }) => metadata?.name).join() === "patient" && readyOf(pods[0])?.status === "False",
        signal,
      );
      assert.equal(left[0]?.status?.phase, "Running");

      await setNodeReady(kube, name, "True", signal);
      await waitFor(kube, NODES, undefined, (all) => taintsOf(node(all, name)).length === 0, signal);
      await kube.delete(PODS, { namespace: "default", name: "patient" }, signal);
      await waitFor(kube, PODS, "default", (pods) => pods.length === 0, signal);
      await kube.delete(NODES, { name }, signal);
    });

    test("a lease alone keeps a node alive", async () => {
      const name = "leased";
      await using _ = await TestKubelet.start(kube, name);
      const lease = { metadata: { namespace: "kube-node-lease", name }, spec: { holderIdentity: name } };
      await kube.create(LEASES, lease, signal);
      const life = new AbortController();
      const renewing = (async () => {
        while (!life.signal.aborted) {
          const body = { spec: { renewTime: new Date().toISOString().replace("Z", "000Z") } };
          await kube.patch(LEASES, { namespace: "kube-node-lease", name }, { type: "merge", body }, signal);
          await systemClock.sleep(200, life.signal).catch(() => undefined);
        }
      })();
      // A second node with no lease goes silent; when it is noticed, the first must still be there.
      await using __ = await TestKubelet.start(kube, "other");
      const nodes = await waitFor(
        kube,
        NODES,
        undefined,
        (all) => readyOf(node(all, "other"))?.status === "Unknown",
        signal,
      );
      assert.equal(readyOf(node(nodes, name))?.status, "True");
      life.abort();
      await renewing;
      await waitFor(kube, NODES, undefined, (all) => readyOf(node(all, name))?.status === "Unknown", signal);
      for (const each of [name, "other"]) await kube.delete(NODES, { name: each }, signal);
      await waitFor(kube, LEASES, "kube-node-lease", (leases) => leases.length === 0, signal);
    });

    test("pods of a deleted node are removed, though nobody confirms their end", async () => {
      const name = "deleted";
      {
        await using _ = await TestKubelet.start(kube, name);
        await kube.create(PODS, pod("lost", name, 3_600), signal);
        await waitFor(kube, PODS, "default", ([each]) => each?.status?.phase === "Running", signal);
      }
      await kube.delete(NODES, { name }, signal);
      await waitFor(kube, PODS, "default", (pods) => pods.length === 0, signal);
    });

    test("cordoning taints, uncordoning heals", async () => {
      await using _ = await TestKubelet.start(kube, "cordoned");
      await kubernetes.kubectl("cordon", "cordoned");
      const cordoned = "node.kubernetes.io/unschedulable:NoSchedule";
      await waitFor(kube, NODES, undefined, (all) => taintsOf(node(all, "cordoned")).includes(cordoned), signal);
      await kubernetes.kubectl("uncordon", "cordoned");
      await waitFor(kube, NODES, undefined, (all) => !taintsOf(node(all, "cordoned")).includes(cordoned), signal);
    });
  });
