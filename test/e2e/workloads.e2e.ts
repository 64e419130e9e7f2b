import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CONFIG_MAPS, DEPLOYMENTS, type Deployment, NODES, type Pod, PODS, SECRETS } from "@kedge/kube";
import { TEST_IMAGE } from "@kedge/testing";
import { CONTROL_PLANES, deployment, NAMESPACE, readyPod, sleeper, TestBed } from "./test-bed.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-workloads";
const base64 = (text: string) => Buffer.from(text).toString("base64");

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`workloads on the ${plane}`, { skip }, () => {
    let bed: TestBed;
    before(async () => {
      bed = await TestBed.start(start, NODE);
    });
    after(async () => bed?.[Symbol.asyncDispose]());
    const signal = () => AbortSignal.timeout(60_000);
    const key = (name: string) => ({ namespace: NAMESPACE, name });
    const podsOf = async (app: string): Promise<Pod[]> => {
      const options = { namespace: NAMESPACE, labelSelector: `app=${app}` };
      return (await bed.cloud.kube.list(PODS, options, signal())).items.filter((pod) => readyPod(pod) !== undefined);
    };
    const rolledOut = (name: string, replicas: number): Promise<Deployment> =>
      waitForObject(bed.cloud.kube, DEPLOYMENTS, key(name), (found) =>
        found?.status?.observedGeneration === found?.metadata?.generation &&
        (found?.status?.updatedReplicas ?? 0) === replicas &&
        (found?.status?.availableReplicas ?? 0) === replicas &&
        (found?.status?.replicas ?? 0) === replicas
          ? found
          : undefined,
      );

    test("the node is an edge node with KubeEdge's labels and a kubelet's facts", async () => {
      const node = await bed.cloud.kube.get(NODES, { name: NODE }, signal());
      assert.equal(node.metadata?.labels?.["node-role.kubernetes.io/edge"], "");
      assert.equal(node.metadata?.labels?.["node-role.kubernetes.io/agent"], "");
      assert.equal(node.metadata?.labels?.["kubernetes.io/hostname"], NODE);
      assert.match(node.status?.nodeInfo?.kubeletVersion ?? "", /^v1\.32\.\d+-kubeedge-/);
      assert.match(node.status?.nodeInfo?.containerRuntimeVersion ?? "", /^containerd:\/\//);
      const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
      assert.equal(ready?.reason, "EdgeReady");
    });

    test("a Deployment gets its ConfigMap and Secret in files and variables, and their updates", async () => {
      const { kube } = bed.cloud;
      const meta = (name: string) => ({ name, namespace: NAMESPACE });
      await kube.create(CONFIG_MAPS, { metadata: meta("settings"), data: { colour: "red" } }, signal());
      await kube.create(SECRETS, { metadata: meta("keys"), data: { word: base64("sesame") } }, signal());
      const spec = deployment("web", 2, NODE).spec?.template.spec;
      await kube.create(
        DEPLOYMENTS,
        deployment("web", 2, NODE, {
          containers: [
            {
              ...spec?.containers[0],
              name: "main",
              env: [
                { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
                { name: "WORD", valueFrom: { secretKeyRef: { name: "keys", key: "word" } } },
                { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              ],
              volumeMounts: [
                { name: "settings", mountPath: "/settings" },
                { name: "keys", mountPath: "/keys" },
              ],
            },
          ],
          volumes: [
            { name: "settings", configMap: { name: "settings" } },
            { name: "keys", secret: { secretName: "keys" } },
          ],
        }),
        signal(),
      );
      await rolledOut("web", 2);
      const pods = await podsOf("web");
      assert.equal(pods.length, 2);
      for (const pod of pods) {
        assert.equal(await bed.exec(pod, "main", ["cat", "/settings/colour"]), "red");
        assert.equal(await bed.exec(pod, "main", ["cat", "/keys/word"]), "sesame");
        const seen = await bed.exec(pod, "main", ["sh", "-c", "echo $COLOUR $WORD $POD"]);
        assert.equal(seen, `red sesame ${pod.metadata?.name ?? ""}\n`);
      }
      const data = (body: object) => ({ type: "merge", body: { data: body } }) as const;
      await kube.patch(CONFIG_MAPS, key("settings"), data({ colour: "blue" }), signal());
      await kube.patch(SECRETS, key("keys"), data({ word: base64("open") }), signal());
      for (const pod of pods) {
        await bed.fileBecomes(pod, "main", "/settings/colour", "blue", 10);
        await bed.fileBecomes(pod, "main", "/keys/word", "open", 10);
      }
    });

    test("a Deployment is updated, scaled and deleted", async () => {
      const { kube } = bed.cloud;
      await kube.create(DEPLOYMENTS, deployment("scaled", 1, NODE), signal());
      await rolledOut("scaled", 1);
      const [first] = await podsOf("scaled");
      const template = { metadata: { annotations: { round: "two" } } };
      await kube.patch(DEPLOYMENTS, key("scaled"), { type: "merge", body: { spec: { template } } }, signal());
      await rolledOut("scaled", 1);
      await waitForObject(kube, PODS, key(first?.metadata?.name ?? ""), (pod) => pod === undefined);
      await kube.patch(DEPLOYMENTS, key("scaled"), { type: "merge", body: { spec: { replicas: 3 } } }, signal());
      await rolledOut("scaled", 3);
      await kube.patch(DEPLOYMENTS, key("scaled"), { type: "merge", body: { spec: { replicas: 0 } } }, signal());
      await rolledOut("scaled", 0);
      await kube.delete(DEPLOYMENTS, key("scaled"), signal(), { propagationPolicy: "Background" });
      await waitForObject(kube, DEPLOYMENTS, key("scaled"), (found) => found === undefined);
    });

    test("a pod that fails is Failed with its exit code", async () => {
      const { kube } = bed.cloud;
      const container = { name: "main", image: TEST_IMAGE, imagePullPolicy: "Never", command: ["sh", "-c", "exit 3"] };
      await kube.create(PODS, sleeper("failing", NODE, { restartPolicy: "Never", containers: [container] }), signal());
      const pod = await waitForObject(kube, PODS, key("failing"), (found) =>
        found?.status?.phase === "Failed" ? found : undefined,
      );
      const state = pod.status?.containerStatuses?.[0]?.state?.terminated;
      assert.equal(state?.exitCode, 3);
      assert.equal(state?.reason, "Error");
    });

    test("a pod that crashes again and again is in CrashLoopBackOff, and its restarts are counted", async () => {
      const { kube } = bed.cloud;
      const container = { name: "main", image: TEST_IMAGE, imagePullPolicy: "Never", command: ["sh", "-c", "exit 1"] };
      await kube.create(PODS, sleeper("crashing", NODE, { containers: [container] }), signal());
      const pod = await waitForObject(kube, PODS, key("crashing"), (found) =>
        found?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "CrashLoopBackOff" ? found : undefined,
      );
      const status = pod.status?.containerStatuses?.[0];
      assert.ok((status?.restartCount ?? 0) >= 1);
      assert.equal(status?.lastState?.terminated?.exitCode, 1);
      await kube.delete(PODS, key("crashing"), signal());
      await waitForObject(kube, PODS, key("crashing"), (found) => found === undefined);
    });

    test("W-06b: a missing ConfigMap keeps the container waiting with the reason, and creating it heals the pod", async () => {
      const { kube } = bed.cloud;
      const [container] = sleeper("", NODE).spec?.containers ?? [];
      const env = [{ name: "A", valueFrom: { configMapKeyRef: { name: "late", key: "a" } } }];
      const containers = [{ ...container, name: "main", env }];
      await kube.create(PODS, sleeper("waits", NODE, { containers }), signal());
      const reason = await waitForObject(kube, PODS, key("waits"), (pod) => {
        const waiting = pod?.status?.containerStatuses?.[0]?.state?.waiting;
        return waiting?.reason === "CreateContainerConfigError" ? waiting.message : undefined;
      });
      assert.match(reason, /configmap "late" not found/);
      await kube.create(CONFIG_MAPS, { metadata: { name: "late", namespace: NAMESPACE }, data: { a: "b" } }, signal());
      const pod = await bed.podReady("waits");
      assert.equal(await bed.exec(pod, "main", ["sh", "-c", "echo $A"]), "b\n");
    });

    test("init containers run in order before the others, and share volumes with them", async () => {
      const { kube } = bed.cloud;
      const volumeMounts = [{ name: "shared", mountPath: "/shared" }];
      const init = (name: string, script: string) => ({
        name,
        image: TEST_IMAGE,
        imagePullPolicy: "Never",
        command: ["sh", "-c", script],
        volumeMounts,
      });
      const [main] = sleeper("", NODE).spec?.containers ?? [];
      await kube.create(
        PODS,
        sleeper("initialised", NODE, {
          initContainers: [init("one", "echo one > /shared/log"), init("two", "echo two >> /shared/log")],
          containers: [{ ...main, name: "main", volumeMounts }],
          volumes: [{ name: "shared", emptyDir: {} }],
        }),
        signal(),
      );
      const pod = await bed.podReady("initialised");
      assert.equal(await bed.exec(pod, "main", ["cat", "/shared/log"]), "one\ntwo\n");
    });
  });
