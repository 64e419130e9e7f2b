import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startControllers } from "../../src/controllers/start-controllers.ts";
import { DEPLOYMENTS, type Deployment, EVENTS, isConditionTrue, NAMESPACES, PODS, REPLICA_SETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { createLogger, systemClock } from "@kedge/runtime";
import { TestKubelet, TestKubernetes } from "@kedge/testing";
import { waitFor } from "./wait-for.ts";

const signal = AbortSignal.timeout(40_000);

describe("workloads on a real API server", { skip: TestKubernetes.missing(), timeout: 50_000 }, () => {
  let kubernetes: TestKubernetes;
  let kube: KubeClient;
  const scope = new AsyncDisposableStack();

  before(async () => {
    kubernetes = scope.use(await TestKubernetes.start());
    kube = scope.use(kubernetes.connect());
    const logger = createLogger({}, { level: "warn" });
    const deps = { kube, logger, clock: systemClock, rootCaPem: kubernetes.ca.certificatePem };
    scope.use(await startControllers(deps, signal));
    for (const name of ["node-a", "node-b"]) scope.use(await TestKubelet.start(kube, name));
  });
  after(() => scope.disposeAsync());

  const deployment = (namespace: string, replicas: number, version = "1"): Deployment => ({
    metadata: { namespace, name: "web" },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "web", image: `web:${version}`, resources: { requests: { cpu: "100m" } } }] },
      },
    },
  });

  const available = (count: number) => (objects: Deployment[]) =>
    objects[0]?.status?.availableReplicas === count &&
    objects[0].status.updatedReplicas === count &&
    objects[0].status.replicas === count;

  test("rolls out, scales, rolls back; kubectl follows", async () => {
    const namespace = "rollout";
    await kube.create(NAMESPACES, { metadata: { name: namespace } }, signal);
    await kube.create(DEPLOYMENTS, deployment(namespace, 3), signal);
    const [first] = await waitFor(kube, DEPLOYMENTS, namespace, available(3), signal);
    assert.ok(isConditionTrue(first?.status?.conditions, "Available"));
    assert.match(
      await kubernetes.kubectl("-n", namespace, "rollout", "status", "deploy/web"),
      /successfully rolled out/,
    );
    const pods = (await kube.list(PODS, { namespace }, signal)).items;
    assert.deepEqual(new Set(pods.map(({ spec }) => spec?.nodeName)), new Set(["node-a", "node-b"]));

    await kubernetes.kubectl("-n", namespace, "scale", "deploy/web", "--replicas=5");
    await waitFor(kube, DEPLOYMENTS, namespace, available(5), signal);

    await kubernetes.kubectl("-n", namespace, "set", "image", "deploy/web", "web=web:2");
    assert.match(
      await kubernetes.kubectl("-n", namespace, "rollout", "status", "deploy/web"),
      /successfully rolled out/,
    );
    await waitFor(
      kube,
      PODS,
      namespace,
      (objects) => objects.length === 5 && objects.every(({ spec }) => spec?.containers[0]?.image === "web:2"),
      signal,
    );
    assert.equal((await kube.list(REPLICA_SETS, { namespace }, signal)).items.length, 2);
    assert.match(await kubernetes.kubectl("-n", namespace, "rollout", "history", "deploy/web"), /\n1 .*\n2 /);

    await kubernetes.kubectl("-n", namespace, "rollout", "undo", "deploy/web");
    await waitFor(
      kube,
      PODS,
      namespace,
      (objects) => objects.length === 5 && objects.every(({ spec }) => spec?.containers[0]?.image === "web:1"),
      signal,
    );
    assert.match(
      await kubernetes.kubectl("-n", namespace, "rollout", "status", "deploy/web"),
      /successfully rolled out/,
    );
    assert.match(await kubernetes.kubectl("-n", namespace, "rollout", "history", "deploy/web"), /\n2 .*\n3 /);
    const events = await waitFor(
      kube,
      EVENTS,
      namespace,
      (objects) => objects.some(({ reason }) => reason === "Scheduled"),
      signal,
    );
    assert.ok(events.some(({ message }) => /^Scaled up replica set web-\w+ from 0 to 3$/.test(message ?? "")));
    assert.ok(
      events.some(({ message }) => /^Successfully assigned rollout\/web-\S+ to node-[ab]$/.test(message ?? "")),
    );
  });

  test("says why a pod cannot be scheduled, and schedules it once that changes", async () => {
    const namespace = "unschedulable";
    await kube.create(NAMESPACES, { metadata: { name: namespace } }, signal);
    const pod = {
      metadata: { namespace, name: "picky" },
      spec: { nodeSelector: { disk: "ssd" }, containers: [{ name: "a", image: "a" }] },
    };
    await kube.create(PODS, pod, signal);
    await waitFor(
      kube,
      PODS,
      namespace,
      ([object]) =>
        object?.status?.conditions?.[0]?.message ===
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
      signal,
    );
    await kubernetes.kubectl("label", "node", "node-b", "disk=ssd");
    await waitFor(kube, PODS, namespace, ([object]) => object?.spec?.nodeName === "node-b", signal);
  });
});
