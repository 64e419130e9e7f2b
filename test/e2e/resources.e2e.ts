import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Node, NODES, type Pod, PODS } from "@kedge/kube";
import { TestDevicePlugin } from "@kedge/testing";
import { CONTROL_PLANES, NAMESPACE, sleeper, TestBed } from "./test-bed.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-resources";
const RESOURCE = "example.com/camera";

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`devices and reservations on the ${plane}`, { skip }, () => {
    let bed: TestBed;
    before(async () => {
      const kubelet = {
        kubeReserved: { cpu: "250m", memory: "64Mi", pid: "100" },
        evictionHard: { "memory.available": "32Mi" },
        podPidsLimit: 200,
      };
      bed = await TestBed.start(start, NODE, { kubelet });
    });
    after(async () => bed?.[Symbol.asyncDispose]());
    const signal = () => AbortSignal.timeout(60_000);
    const untilNode = (accept: (node: Node) => boolean): Promise<Node> =>
      waitForObject(bed.cloud.kube, NODES, { name: NODE }, (node) => node !== undefined && accept(node) && node);
    const untilPod = (name: string, accept: (pod: Pod) => boolean): Promise<Pod> =>
      waitForObject(
        bed.cloud.kube,
        PODS,
        { namespace: NAMESPACE, name },
        (pod) => pod !== undefined && accept(pod) && pod,
      );
    const isRunning = ({ status }: Pod) => status?.phase === "Running";

    /** As a user writes it: the scheduler finds the node. */
    const withCamera = (name: string): Pod => {
      const resources = { limits: { [RESOURCE]: "1" } };
      const { nodeName: _, ...spec } = sleeper(name, NODE).spec ?? { containers: [] };
      return {
        ...sleeper(name, NODE),
        spec: { ...spec, containers: spec.containers.map((one) => ({ ...one, resources })) },
      };
    };

    test("the node gives what is not reserved", async () => {
      const { status } = await untilNode(() => true);
      const milli = (text = "0") => (text.endsWith("m") ? Number.parseInt(text, 10) : Number(text) * 1000);
      assert.equal(milli(status?.capacity?.["cpu"]) - milli(status?.allocatable?.["cpu"]), 250);
      const bytes = (text = "0") =>
        Number.parseInt(text, 10) * (text.endsWith("Ki") ? 1024 : text.endsWith("Mi") ? 1024 ** 2 : 1);
      const kept = bytes(status?.capacity?.["memory"]) - bytes(status?.allocatable?.["memory"]);
      assert.equal(kept, (64 + 32) * 1024 ** 2);
    });

    test("a plugin's device is scheduled, given, shown when it fails, and kept over a restart of the agent", async () => {
      const directory = join(bed.node.kubelet, "device-plugins");
      const options = { directory, resource: RESOURCE, endpoint: "camera.sock" };
      await using plugin = await TestDevicePlugin.start(options, ["cam-0"]);
      await untilNode(({ status }) => status?.allocatable?.[RESOURCE] === "1");
      await bed.cloud.kube.create(PODS, withCamera("films"), signal());
      const films = await untilPod("films", isRunning);
      assert.equal(
        (await bed.exec(films, films.spec?.containers[0]?.name ?? "", ["sh", "-c", "echo $DEVICES"])).trim(),
        "cam-0",
      );
      assert.deepEqual(films.status?.containerStatuses?.[0]?.allocatedResourcesStatus, [
        { name: RESOURCE, resources: [{ resourceID: "cam-0", health: "Healthy" }] },
      ]);

      await bed.cloud.kube.create(PODS, withCamera("waits"), signal());
      await untilPod("waits", ({ status }) =>
        (status?.conditions ?? []).some(({ message }) => message?.includes(`Insufficient ${RESOURCE}`) === true),
      );

      plugin.set({ "cam-0": { healthy: false } });
      const node = await untilNode(({ status }) => status?.allocatable?.[RESOURCE] === "0");
      assert.equal(node.status?.capacity?.[RESOURCE], "1");
      await untilPod(
        "films",
        ({ status }) =>
          status?.containerStatuses?.[0]?.allocatedResourcesStatus?.[0]?.resources?.[0]?.health === "Unhealthy",
      );

      await bed.node.killAgent();
      await bed.node.startAgent();
      // As plugins do: the agent has removed their sockets, and shows none of their devices until they register anew.
      await untilNode(({ status }) => status?.capacity?.[RESOURCE] === "0");
      await plugin.serve();
      plugin.set({ "cam-0": { healthy: true }, "cam-1": { healthy: true } });
      await plugin.register();
      await untilNode(({ status }) => status?.allocatable?.[RESOURCE] === "2");
      const waits = await untilPod("waits", isRunning);
      assert.equal(
        (await bed.exec(waits, waits.spec?.containers[0]?.name ?? "", ["sh", "-c", "echo $DEVICES"])).trim(),
        "cam-1",
      );
      const still = await untilPod("films", isRunning);
      assert.equal(
        still.status?.containerStatuses?.[0]?.containerID,
        films.status?.containerStatuses?.[0]?.containerID,
      );
    });
  });
