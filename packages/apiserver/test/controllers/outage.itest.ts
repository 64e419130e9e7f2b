import assert from "node:assert/strict";
import { test } from "node:test";
import { type Deployment, DEPLOYMENTS, PODS, REPLICA_SETS, SERVICE_ACCOUNTS } from "@kedge/kube";
import { silentLogger, systemClock } from "@kedge/runtime";
import { TestKubelet, TestKubernetes } from "@kedge/testing";
import { startControllers } from "../../src/controllers/start-controllers.ts";
import { waitFor } from "./wait-for.ts";

const namespace = "default";
const web = (replicas: number): Deployment => ({
  metadata: { namespace, name: "web" },
  spec: {
    replicas,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web:1" }] } },
  },
});
const available = (count: number) => (objects: Deployment[]) =>
  objects[0]?.status?.availableReplicas === count && objects[0].status.replicas === count;

test(
  "outlive an API server that crashes, and catch up on what happened while they were down",
  { skip: TestKubernetes.missing(), timeout: 90_000 },
  async () => {
    const signal = AbortSignal.timeout(80_000);
    await using kubernetes = await TestKubernetes.start({ serviceAccountAdmission: true });
    await using kube = kubernetes.connect();
    const rootCaPem = kubernetes.ca.certificatePem;
    const deps = { kube, logger: silentLogger, clock: systemClock, rootCaPem };
    {
      await using _ = await startControllers(deps, signal);
      await using __ = await TestKubelet.start(kube, "node-a");
      await waitFor(kube, SERVICE_ACCOUNTS, namespace, (objects) => objects.length === 1, signal);
      await kube.create(DEPLOYMENTS, web(3), signal);
      await waitFor(kube, DEPLOYMENTS, namespace, available(3), signal);

      await kubernetes.killApiserver();
      await kubernetes.startApiserver();
      await kubernetes.kubectl("scale", "deploy/web", "--replicas=5");
      await waitFor(kube, DEPLOYMENTS, namespace, available(5), signal);
    }
    // Nobody looks: one goes, one is changed.
    const [replicaSet] = (await kube.list(REPLICA_SETS, { namespace }, signal)).items;
    await kube.delete(REPLICA_SETS, { namespace, name: replicaSet?.metadata?.name ?? "" }, signal);
    await kubernetes.kubectl("set", "image", "deploy/web", "web=web:2");
    await kube.delete(PODS, (await anyPod(kube, signal)) ?? { name: "" }, signal, { gracePeriodSeconds: 0 });

    await kubernetes.kubectl("delete", "node", "node-a");
    await using _ = await startControllers(deps, signal);
    await using __ = await TestKubelet.start(kube, "node-b");
    const images = (objects: { spec?: { containers: { image?: string }[] } }[]) =>
      objects.map(({ spec }) => spec?.containers[0]?.image);
    const pods = await waitFor(
      kube,
      PODS,
      namespace,
      (objects) => images(objects).filter((image) => image === "web:2").length === 5,
      signal,
    );
    assert.ok(pods.length >= 5);
    await waitFor(kube, REPLICA_SETS, namespace, (objects) => objects.length === 1, signal);
  },
);

async function anyPod(kube: Parameters<typeof waitFor>[0], signal: AbortSignal) {
  const { items } = await kube.list(PODS, { namespace }, signal);
  const { name } = items[0]?.metadata ?? {};
  return name === undefined ? undefined : { namespace, name };
}
