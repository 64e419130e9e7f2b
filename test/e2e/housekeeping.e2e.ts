import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { EVENTS, type Node, NODES, type Pod, PODS } from "@kedge/kube";
import { CONTROL_PLANES, NAMESPACE, sleeper, TestBed } from "./test-bed.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-housekeeping";
const PRESSURE_TAINT = "node.kubernetes.io/memory-pressure";

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`a node that runs out, and goes down, on the ${plane}`, { skip }, () => {
    let bed: TestBed;
    before(async () => {
      // More must be left than there ever is.
      const kubelet = { evictionHard: { "memory.available": "1Pi" }, shutdownGracePeriod: "10s" };
      bed = await TestBed.start(start, NODE, { kubelet });
    });
    after(async () => bed?.[Symbol.asyncDispose]());
    const signal = () => AbortSignal.timeout(60_000);
    const key = (name: string) => ({ namespace: NAMESPACE, name });
    const untilNode = (accept: (node: Node) => boolean): Promise<Node> =>
      waitForObject(bed.cloud.kube, NODES, { name: NODE }, (node) => node !== undefined && accept(node) && node);
    const conditionOf = ({ status }: Node, type: string) =>
      status?.conditions?.find((condition) => condition.type === type);
    const eventsOf = async (name: string) => {
      const fieldSelector = `involvedObject.name=${name}`;
      const { items } = await bed.cloud.kube.list(EVENTS, { namespace: NAMESPACE, fieldSelector }, signal());
      return items.map(({ reason }) => reason);
    };

    test("the node says so, the cluster keeps pods away, and who is there must go", async () => {
      const node = await untilNode(
        (one) => one.spec?.taints?.some(({ key: taint }) => taint === PRESSURE_TAINT) === true,
      );
      const pressure = conditionOf(node, "MemoryPressure");
      assert.deepEqual(
        [pressure?.status, pressure?.reason, pressure?.message],
        ["True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
      );
      assert.equal(node.spec?.taints?.find(({ key: taint }) => taint === PRESSURE_TAINT)?.effect, "NoSchedule");
      assert.equal(conditionOf(node, "Ready")?.status, "True");

      const pod = (name: string, requests: Record<string, string>): Pod => {
        const containers = sleeper(name, NODE).spec?.containers.map((one) => ({ ...one, resources: { requests } }));
        return sleeper(name, NODE, { containers: containers ?? [] });
      };
      await bed.cloud.kube.create(PODS, pod("asks-for-nothing", {}), signal());
      await bed.cloud.kube.create(PODS, pod("asks", { cpu: "1m" }), signal());
      const evicted = (name: string) =>
        waitForObject(bed.cloud.kube, PODS, key(name), (one) => one?.status?.reason === "Evicted" && one);
      const refused = await evicted("asks-for-nothing");
      assert.equal(refused.status?.message, "Pod was rejected: The node had condition: [MemoryPressure]. ");
      const { status } = await evicted("asks");
      assert.equal(status?.phase, "Failed");
      assert.match(
        status.message ?? "",
        /^The node was low on resource: memory\. Threshold quantity: 1Pi, available: /,
      );
      const target = status.conditions?.find(({ type }) => type === "DisruptionTarget");
      assert.deepEqual([target?.status, target?.reason], ["True", "TerminationByKubelet"]);
      assert.ok((await eventsOf("asks")).includes("Evicted"));
      const told = await eventsOf(NODE);
      for (const reason of ["Starting", "NodeReady", "NodeHasInsufficientMemory", "EvictionThresholdMet"])
        assert.ok(told.includes(reason), `${reason} in ${told.join()}`);
    });

    test("before the machine goes down the node is not ready, and the agent ends by itself", async () => {
      process.kill(bed.node.agentPid ?? 0, "SIGPWR");
      const node = await untilNode((one) => conditionOf(one, "Ready")?.status === "False");
      assert.match(conditionOf(node, "Ready")?.message ?? "", /node is shutting down/);
      assert.ok((await eventsOf(NODE)).includes("NodeShutdown"));
    });
  });
