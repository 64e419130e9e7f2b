/** Seeing into a node whose edgecore is KubeEdge's, through our cloudcore: its tunnel has no flow control, no answers and no port-forward. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { PODS } from "@kedge/kube";
import { TEST_IMAGE } from "@kedge/testing";
import { Kubectl, STREAM_MODES } from "../e2e/kubectl.ts";
import { NAMESPACE, readyPod, sleeper } from "../e2e/test-bed.ts";
import { kubernetesCloud, OUR_CLOUD, type TestCloud, waitForNode } from "../e2e/test-cloud.ts";
import { TestEdgeNode } from "../e2e/test-edge-node.ts";
import { TestNetwork } from "../e2e/test-network.ts";
import { waitForObject } from "../e2e/wait-for-object.ts";
import { BOTH_ENDS_MS, signal } from "./check.ts";
import { EdgeHost } from "./edge-host.ts";
import { IMPATIENT, missingForInterop } from "./pairs.ts";
import { STOCK_EDGE } from "./stock-programs.ts";

const NODE = "edge-stock-streams";
/** Where every stock cloud and edge expect the kubelet's endpoint; the node has a network of its own. */
const KUBELET_PORT = 10_350;
const STEP_MS = { timeout: BOTH_ENDS_MS };
const COUNT = 'n=0; while :; do n=$((n+1)); echo "count $n"; sleep 0.2; done';

describe("a stock edge's streams through our cloud", { skip: missingForInterop() || Kubectl.missing() }, () => {
  const scope = new AsyncDisposableStack();
  let cloud: TestCloud;
  let node: TestEdgeNode;
  let kubectl: Kubectl;

  const create = async (name: string, container: { command: string[]; stdin?: boolean }) => {
    const containers = [{ name: "main", image: TEST_IMAGE, imagePullPolicy: "Never", ...container }];
    await cloud.kube.create(PODS, sleeper(name, NODE, { containers }), signal());
    await waitForObject(cloud.kube, PODS, { namespace: NAMESPACE, name }, readyPod, BOTH_ENDS_MS);
  };

  before(async () => {
    const dir = mkdtempSync(join(tmpdir(), "kedge-interop-"));
    scope.defer(() => rmSync(dir, { recursive: true, force: true }));
    const network = scope.use(await TestNetwork.create());
    const host = scope.use(await EdgeHost.create());
    cloud = scope.use(await kubernetesCloud(OUR_CLOUD)(dir, network.hostAddress));
    node = scope.use(
      await TestEdgeNode.join(cloud, {
        name: NODE,
        program: STOCK_EDGE,
        netns: network.netns,
        enter: host.enter,
        edgeHub: { ...IMPATIENT.edgeHub },
        kubelet: { ...IMPATIENT.kubelet, readOnlyPort: KUBELET_PORT },
      }),
    );
    await waitForNode(cloud.kube, NODE, "True", BOTH_ENDS_MS).catch((error: unknown) => {
      throw new Error(`the node did not become Ready: ${node.logTail()}`, { cause: error });
    });
    kubectl = new Kubectl(cloud.kubeconfig);
    await create("web", { command: ["sh", "-c", "for i in 1 2 3; do echo line $i; done; sleep 10000"] });
  });
  after(() => scope.disposeAsync());

  test("kubectl logs, whole and in part", STEP_MS, async () => {
    // The tunnel is opened some seconds after the node is there.
    const limit = AbortSignal.timeout(BOTH_ENDS_MS);
    while ((await kubectl.try(["logs", "web"])).code !== 0) limit.throwIfAborted();
    assert.equal(await kubectl.run(["logs", "web"]), "line 1\nline 2\nline 3\n");
    assert.equal(await kubectl.run(["logs", "web", "--tail=1"]), "line 3\n");
  });

  test("kubectl logs -f", STEP_MS, async () => {
    await create("counter", { command: ["sh", "-c", COUNT] });
    await using followed = kubectl.follow(["logs", "-f", "counter"]);
    await followed.until((stdout) => stdout.includes("count 5\n"), "five lines");
  });

  for (const { name: mode, env } of STREAM_MODES)
    test(`kubectl exec with ${mode}: output, input, the exit code`, STEP_MS, async () => {
      assert.equal(await kubectl.run(["exec", "web", "--", "echo", "hello"], { env }), "hello\n");
      assert.equal(
        await kubectl.run(["exec", "-i", "web", "--", "cat"], { env, stdin: "there and back" }),
        "there and back",
      );
      assert.equal((await kubectl.try(["exec", "web", "--", "sh", "-c", "exit 7"], { env })).code, 7);
    });

  test("kubectl attach", STEP_MS, async () => {
    await create("echo", { command: ["sh", "-c", "while read word; do echo got $word; done"], stdin: true });
    await using attached = kubectl.follow(["attach", "-i", "echo"]);
    attached.child.stdin.write("one\n");
    await attached.until((stdout) => stdout.includes("got one\n"), "the container's answer");
  });

  test("the kubelet's figures", STEP_MS, async () => {
    const proxy = `/api/v1/nodes/${NODE}/proxy`;
    const summary = JSON.parse(await kubectl.run(["get", "--raw", `${proxy}/stats/summary`])) as { node: object };
    assert.equal((summary.node as { nodeName?: string }).nodeName, NODE);
    assert.match(await kubectl.run(["get", "--raw", `${proxy}/metrics/resource`]), /^node_cpu_usage_seconds_total/m);
  });

  test("kubectl port-forward says that the node's edgecore cannot", STEP_MS, async () => {
    for (const { env } of STREAM_MODES) {
      const { code, stderr } = await kubectl.try(["port-forward", "pod/web", ":8080"], { env });
      assert.notEqual(code, 0);
      assert.match(stderr, /runs KubeEdge's edgecore, which has no port-forward/);
    }
  });
});
