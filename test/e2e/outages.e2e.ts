import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CONFIG_MAPS, PODS, SECRETS } from "@kedge/kube";
import { CONTROL_PLANES, NAMESPACE, readyPod, sleeper, TestBed } from "./test-bed.ts";
import { waitForNode } from "./test-cloud.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-outages";

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`outages on the ${plane}`, { skip }, () => {
    let bed: TestBed;
    const signal = () => AbortSignal.timeout(60_000);
    const key = (name: string) => ({ namespace: NAMESPACE, name });

    before(async () => {
      bed = await TestBed.start(start, NODE);
      await bed.cloud.kube.create(
        CONFIG_MAPS,
        { metadata: { name: "settings", namespace: NAMESPACE }, data: { colour: "red" } },
        signal(),
      );
      const [main] = sleeper("", NODE).spec?.containers ?? [];
      await bed.cloud.kube.create(
        PODS,
        sleeper("steady", NODE, {
          containers: [{ ...main, name: "main", volumeMounts: [{ name: "settings", mountPath: "/settings" }] }],
          volumes: [{ name: "settings", configMap: { name: "settings" } }],
        }),
        signal(),
      );
      await bed.podReady("steady");
    });
    after(async () => bed?.[Symbol.asyncDispose]());

    test("the cloud is killed and started again: containers go on, the node is Ready, changes arrive", async () => {
      const running = await bed.containerIds();
      await bed.cloud.kill();
      assert.deepEqual(await bed.containerIds(), running);
      await bed.cloud.start();
      await waitForNode(bed.cloud.kube, NODE, "True");
      await bed.cloud.kube.patch(
        CONFIG_MAPS,
        key("settings"),
        { type: "merge", body: { data: { colour: "blue" } } },
        signal(),
      );
      const pod = await bed.podReady("steady");
      await bed.fileBecomes(pod, "main", "/settings/colour", "blue", 20);
      assert.deepEqual(await bed.containerIds(), running);
    });

    test("the agent is killed and started again: it adopts its containers", async () => {
      const running = await bed.containerIds();
      await bed.node.killAgent();
      assert.deepEqual(await bed.containerIds(), running);
      await bed.node.startAgent();
      await bed.cloud.kube.create(PODS, sleeper("after-restart", NODE), signal());
      await bed.podReady("after-restart");
      assert.deepEqual(
        (await bed.containerIds()).filter((id) => running.includes(id)),
        running,
      );
      await bed.cloud.kube.delete(PODS, key("after-restart"), signal());
      await waitForObject(bed.cloud.kube, PODS, key("after-restart"), (pod) => pod === undefined);
    });

    test("the agent is started again while the cloud is away: a container that died meanwhile comes back", async () => {
      const labels = { "io.kubernetes.pod.name": "steady" };
      const [before] = await bed.containerIds(labels);
      await bed.cloud.kill();
      await bed.node.killAgent();
      const { runtime } = bed.node.containerd.client;
      await runtime.stopContainer(before ?? "", 0, signal());
      await bed.node.startAgent();
      await bed.node.containerStarts(labels);
      await bed.cloud.start();
      await waitForNode(bed.cloud.kube, NODE, "True");
      const pod = await waitForObject(bed.cloud.kube, PODS, key("steady"), (found) =>
        (found?.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1 ? found : undefined,
      );
      assert.equal(pod.status?.phase, "Running");
    });

    test("the host loses power while the cloud is away: its pods come back without the cloud", async () => {
      const secret = { metadata: { name: "password", namespace: NAMESPACE }, stringData: { word: "open" } };
      await bed.cloud.kube.create(SECRETS, secret, signal());
      const [main] = sleeper("", NODE).spec?.containers ?? [];
      const volumeMounts = [
        { name: "password", mountPath: "/password" },
        { name: "memory", mountPath: "/memory" },
      ];
      await bed.cloud.kube.create(
        PODS,
        sleeper("secretive", NODE, {
          containers: [{ ...main, name: "main", volumeMounts }],
          volumes: [
            { name: "password", secret: { secretName: "password" } },
            { name: "memory", emptyDir: { medium: "Memory" } },
          ],
        }),
        signal(),
      );
      const pod = await bed.podReady("secretive");
      const before = await bed.containerIds();
      await bed.cloud.kill();
      await bed.node.pullPlug();
      await bed.node.boot();
      for (const name of ["steady", "secretive"]) await bed.node.containerStarts({ "io.kubernetes.pod.name": name });
      assert.equal(await bed.exec(pod, "main", ["cat", "/password/word"]), "open");
      await bed.exec(pod, "main", ["sh", "-c", "echo x > /memory/file"]);
      const after = await bed.containerIds();
      assert.equal(after.length, before.length);
      assert.deepEqual(
        after.filter((id) => before.includes(id)),
        [],
      );
      await bed.cloud.start();
      await waitForNode(bed.cloud.kube, NODE, "True");
      await waitForObject(bed.cloud.kube, PODS, key("secretive"), (found) => {
        const restarts = found?.status?.containerStatuses?.[0]?.restartCount ?? 0;
        return readyPod(found) !== undefined && restarts >= 1;
      });
      assert.deepEqual(await bed.containerIds(), after);
    });

    test("what is created, changed and deleted while the node is away arrives when it is back", async () => {
      await bed.cloud.kube.create(PODS, sleeper("goes", NODE), signal());
      await bed.podReady("goes");
      await bed.node.killAgent();
      await bed.cloud.kube.create(PODS, sleeper("comes", NODE), signal());
      await bed.cloud.kube.delete(PODS, key("goes"), signal(), { gracePeriodSeconds: 0 });
      await waitForObject(bed.cloud.kube, PODS, key("goes"), (pod) => pod === undefined);
      await bed.cloud.kube.patch(
        CONFIG_MAPS,
        key("settings"),
        { type: "merge", body: { data: { colour: "green" } } },
        signal(),
      );
      await bed.node.startAgent();
      await bed.podReady("comes");
      const steady = await bed.podReady("steady");
      await bed.fileBecomes(steady, "main", "/settings/colour", "green", 20);
      await bed.node.containersGone({ "io.kubernetes.pod.name": "goes" });
    });
  });
