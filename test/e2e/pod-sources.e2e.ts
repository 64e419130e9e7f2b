/** Where pods come from besides the scheduler, and what may change of one that runs. */
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { NODES, type Pod, PODS, RUNTIME_CLASSES } from "@kedge/kube";
import { TEST_IMAGE } from "@kedge/testing";
import { CONTROL_PLANES, NAMESPACE, readyPod, sleeper, TestBed } from "./test-bed.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-sources";

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`sources of pods on the ${plane}`, { skip }, () => {
    let bed: TestBed;
    const signal = () => AbortSignal.timeout(60_000);
    const key = (name: string) => ({ namespace: NAMESPACE, name });
    const patch = (name: string, subresource: string, spec: object) =>
      bed.cloud.kube.patch(PODS, key(name), { type: "strategic", body: { spec } }, signal(), { subresource });
    const until = <T>(name: string, accept: (pod: Pod | undefined) => T | undefined | false) =>
      waitForObject(bed.cloud.kube, PODS, key(name), accept);

    before(async () => {
      bed = await TestBed.start(start, NODE);
    });
    after(async () => bed?.[Symbol.asyncDispose]());

    test("a static pod is shown in the API; a copy that is deleted comes again, while the pod goes on", async () => {
      const file = join(bed.node.manifests, "shown.json");
      const { spec, ...pod } = sleeper("shown", NODE);
      await writeFile(file, JSON.stringify({ ...pod, spec: { ...spec, nodeName: undefined } }));
      const name = `shown-${NODE}`;
      const mirror = await bed.podReady(name);
      assert.equal(mirror.metadata?.ownerReferences?.[0]?.kind, "Node");
      const labels = { "io.kubernetes.pod.name": name };
      const running = await bed.containerIds(labels);
      assert.equal(running.length, 1);
      await bed.cloud.kube.delete(PODS, key(name), signal());
      await until(name, (found) => found?.metadata?.uid !== mirror.metadata?.uid && readyPod(found) !== undefined);
      assert.deepEqual(await bed.containerIds(labels), running);
      // The agent goes, comes back with the cloud away, and has it still.
      await bed.node.killAgent();
      await bed.cloud.kill();
      await bed.node.startAgent();
      await writeFile(join(bed.node.manifests, "offline.json"), JSON.stringify({ ...sleeper("offline", NODE) }));
      await bed.node.containerStarts({ "io.kubernetes.pod.name": `offline-${NODE}` });
      assert.deepEqual(await bed.containerIds(labels), running);
      await bed.cloud.start();
      await bed.podReady(`offline-${NODE}`);
      for (const one of ["shown", "offline"]) await rm(join(bed.node.manifests, `${one}.json`));
      for (const one of ["shown", "offline"]) await until(`${one}-${NODE}`, (found) => found === undefined);
      await bed.node.containersGone(labels);
    });

    test("kubectl debug: a container joins a running pod and sees its processes", async () => {
      await bed.cloud.kube.create(PODS, sleeper("looked-at", NODE), signal());
      const pod = await bed.podReady("looked-at");
      const container = { name: "look", image: TEST_IMAGE, imagePullPolicy: "Never", targetContainerName: "main" };
      const ephemeralContainers = [{ ...container, command: ["sleep", "1000"] }];
      await patch("looked-at", "ephemeralcontainers", { ephemeralContainers });
      await until("looked-at", (found) => found?.status?.ephemeralContainerStatuses?.[0]?.state?.running !== undefined);
      const own = await bed.exec(pod, "main", ["cat", "/proc/1/cmdline"]);
      assert.equal(await bed.exec(pod, "look", ["cat", "/proc/1/cmdline"]), own);
      assert.equal((await bed.podReady("looked-at")).status?.containerStatuses?.[0]?.restartCount, 0);
    });

    test("a pod's resources change while it runs", async () => {
      const [main] = sleeper("", NODE).spec?.containers ?? [];
      const of = (cpu: string, memory: string) => ({ requests: { cpu, memory }, limits: { cpu, memory } });
      const containers = [{ ...main, name: "main", resources: of("50m", "32Mi") }];
      await bed.cloud.kube.create(PODS, sleeper("sized", NODE, { containers }), signal());
      await bed.podReady("sized");
      const running = await bed.containerIds({ "io.kubernetes.pod.name": "sized" });
      await patch("sized", "resize", { containers: [{ name: "main", resources: of("80m", "48Mi") }] });
      await until("sized", (found) => {
        const [status] = found?.status?.containerStatuses ?? [];
        return status?.resources?.limits?.["memory"] === "48Mi" && status.resources.limits["cpu"] === "80m";
      });
      assert.deepEqual(await bed.containerIds({ "io.kubernetes.pod.name": "sized" }), running);
      // What another one has must wait, and comes when that one goes.
      const node = await bed.cloud.kube.get(NODES, { name: NODE }, signal());
      const cpus = Number(node.status?.allocatable?.["cpu"]);
      const hog = {
        name: "main",
        image: TEST_IMAGE,
        command: ["sleep", "1000"],
        resources: { requests: { cpu: String(cpus / 2) } },
      };
      await bed.cloud.kube.create(PODS, sleeper("hog", NODE, { containers: [hog] }), signal());
      await bed.podReady("hog");
      const wanted = `${cpus * 750}m`;
      await patch("sized", "resize", { containers: [{ name: "main", resources: of(wanted, "48Mi") }] });
      const condition = (found: Pod | undefined) =>
        found?.status?.conditions?.find(({ type }) => type === "PodResizePending");
      assert.equal((await until("sized", condition)).reason, "Deferred");
      await bed.cloud.kube.delete(PODS, key("hog"), signal());
      await until("sized", (found) => {
        const [status] = found?.status?.containerStatuses ?? [];
        return status?.resources?.limits?.["cpu"] !== "80m" && condition(found) === undefined;
      });
      assert.deepEqual(await bed.containerIds({ "io.kubernetes.pod.name": "sized" }), running);
    });

    test("W-24: a pod runs by its runtime class", async () => {
      const runtimeClass = { metadata: { name: "plain" }, handler: "runc", overhead: { podFixed: { memory: "8Mi" } } };
      await bed.cloud.kube.create(RUNTIME_CLASSES, runtimeClass, signal());
      await bed.cloud.kube.create(PODS, sleeper("classed", NODE, { runtimeClassName: "plain" }), signal());
      const pod = await bed.podReady("classed");
      assert.deepEqual(pod.spec?.overhead, { memory: "8Mi" });
    });

    test("a pod that is deleted by force while the node is away ends once that is known", async () => {
      await bed.cloud.kube.create(PODS, sleeper("forced", NODE), signal());
      await bed.podReady("forced");
      await bed.node.killAgent();
      await bed.cloud.kube.delete(PODS, key("forced"), signal(), { gracePeriodSeconds: 0 });
      await until("forced", (found) => found === undefined);
      await bed.cloud.kube.create(PODS, sleeper("forced", NODE), signal()); // another one, of the same name
      await bed.node.startAgent();
      const pod = await bed.podReady("forced");
      const labels = { "io.kubernetes.pod.name": "forced" };
      const { runtime } = bed.node.containerd.client;
      await waitForObject(bed.cloud.kube, PODS, key("forced"), readyPod);
      const until10s = AbortSignal.timeout(20_000);
      for (;;) {
        const uids = (await runtime.listPodSandboxes(labels, until10s)).map(({ metadata }) => metadata?.uid);
        if (uids.every((uid) => uid === pod.metadata?.uid)) break;
      }
      assert.equal((await bed.containerIds(labels)).length, 1);
    });
  });
