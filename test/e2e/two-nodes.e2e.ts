import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { DAEMON_SETS, type Node, NODES, PODS } from "@kedge/kube";
import { CONTROL_PLANES, deployment, NAMESPACE, readyPod, sleeper } from "./test-bed.ts";
import { type TestCloud, waitForNode } from "./test-cloud.ts";
import { TestEdgeNode } from "./test-edge-node.ts";
import { TestNetwork } from "./test-network.ts";
import { waitForObject } from "./wait-for-object.ts";

const NEAR = "edge-near";
const FAR = "edge-far";
const REGISTERED_MS_MAX = 10_000;

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`two edge nodes on the ${plane}`, { skip }, () => {
    const scope = new AsyncDisposableStack();
    let cloud: TestCloud;
    let far: TestEdgeNode;
    const signal = () => AbortSignal.timeout(60_000);
    const key = (name: string) => ({ namespace: NAMESPACE, name });

    before(async () => {
      const dir = mkdtempSync(join(tmpdir(), "kedge-e2e-"));
      scope.defer(() => rmSync(dir, { recursive: true, force: true }));
      const network = scope.use(await TestNetwork.create());
      cloud = scope.use(await start(dir, network.hostAddress));
      scope.use(await TestEdgeNode.join(cloud, { name: NEAR }));
      far = scope.use(await TestEdgeNode.join(cloud, { name: FAR, netns: network.netns }));
      await waitForNode(cloud.kube, NEAR, "True");
      await waitForNode(cloud.kube, FAR, "True").catch((error: unknown) => {
        throw new Error(`the far node did not become Ready: ${far.logTail()}`, { cause: error });
      });
    });
    after(async () => scope.disposeAsync());

    test("each runs its own pod of a DaemonSet", async () => {
      const { spec } = deployment("everywhere", 1, NEAR);
      const { template, selector } = spec ?? {};
      assert.ok(template?.spec !== undefined && selector !== undefined);
      delete template.spec.nodeSelector;
      const meta = { name: "everywhere", namespace: NAMESPACE };
      await cloud.kube.create(DAEMON_SETS, { metadata: meta, spec: { selector, template } }, signal());
      await waitForObject(cloud.kube, DAEMON_SETS, key("everywhere"), (set) => set?.status?.numberReady === 2);
      const pods = await cloud.kube.list(PODS, { namespace: NAMESPACE, labelSelector: "app=everywhere" }, signal());
      assert.deepEqual(new Set(pods.items.map((pod) => pod.spec?.nodeName)), new Set([FAR, NEAR]));
    });

    test("a node that is deleted while its agent runs registers anew within ten seconds, and runs its pods", async () => {
      const { metadata } = await cloud.kube.get(NODES, { name: FAR }, signal());
      await cloud.kube.delete(NODES, { name: FAR }, signal());
      const isNew = (node: Node | undefined) =>
        node?.metadata?.uid !== metadata?.uid &&
        node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
      await waitForObject(cloud.kube, NODES, { name: FAR }, isNew, REGISTERED_MS_MAX);
      await cloud.kube.create(PODS, sleeper("later", FAR), signal());
      await waitForObject(cloud.kube, PODS, key("later"), readyPod);
      await waitForObject(cloud.kube, DAEMON_SETS, key("everywhere"), (set) => set?.status?.numberReady === 2);
      const pods = await cloud.kube.list(PODS, { namespace: NAMESPACE, labelSelector: "app=everywhere" }, signal());
      const [pod] = pods.items.filter((one) => one.spec?.nodeName === FAR && readyPod(one) !== undefined);
      await far.containerStarts({ "io.kubernetes.pod.uid": pod?.metadata?.uid ?? "" });
      await cloud.kube.delete(PODS, key("later"), signal());
      await waitForObject(cloud.kube, PODS, key("later"), (found) => found === undefined);
      await far.containersGone({ "io.kubernetes.pod.name": "later" });
    });

    test("a node that is deleted takes its pods out of the API, and registers anew when its agent starts", async () => {
      await cloud.kube.create(PODS, sleeper("doomed", FAR), signal());
      await waitForObject(cloud.kube, PODS, key("doomed"), readyPod);
      await far.killAgent();
      await cloud.kube.delete(NODES, { name: FAR }, signal());
      await waitForObject(cloud.kube, PODS, key("doomed"), (pod) => pod === undefined, 120_000);
      // Another pod of that name, elsewhere, is not the one that the node has.
      await cloud.kube.create(PODS, sleeper("doomed", NEAR), signal());
      await far.startAgent();
      await waitForNode(cloud.kube, FAR, "True");
      await far.containersGone({ "io.kubernetes.pod.name": "doomed" });
    });
  });
