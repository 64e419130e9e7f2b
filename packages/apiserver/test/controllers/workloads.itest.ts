import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CONTROL_PLANES, type ControlPlane } from "./control-planes.ts";
import {
  DAEMON_SETS,
  type DaemonSet,
  DEPLOYMENTS,
  type Deployment,
  ENDPOINT_SLICES,
  ENDPOINTS,
  type Endpoints,
  EVENTS,
  isConditionTrue,
  type Pod,
  PODS,
  REPLICA_SETS,
  type ReplicaSet,
  SERVICES,
} from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { TestKubelet, TestKubernetes } from "@kedge/testing";
import { createNamespace, waitFor } from "./wait-for.ts";

for (const plane of CONTROL_PLANES)
  describe(`workloads on ${plane.name}`, { skip: TestKubernetes.missing(), timeout: 60_000 }, () => {
    let signal: AbortSignal;
    let kubernetes: ControlPlane;
    let kube: KubeClient;
    const scope = new AsyncDisposableStack();

    before(async () => {
      signal = AbortSignal.timeout(40_000);
      kubernetes = scope.use(await plane.start({}, signal));
      kube = kubernetes.kube;
      for (const name of ["node-a", "node-b"]) scope.use(await TestKubelet.start(kube, name, { behave }));
    });
    /** Images that never become ready. */
    const behave = (pod: Pod) => (pod.spec?.containers[0]?.image?.startsWith("never") === true ? "running" : "ready");
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
      await createNamespace(kube, namespace, signal);
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
      await createNamespace(kube, namespace, signal);
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

    test("keeps one daemon on each node, also on one that comes later, and rolls updates out", async () => {
      const namespace = "daemons";
      await createNamespace(kube, namespace, signal);
      const daemonSet = {
        metadata: { namespace, name: "agent" },
        spec: {
          selector: { matchLabels: { app: "agent" } },
          template: {
            metadata: { labels: { app: "agent" } },
            spec: { nodeSelector: { pool: "edge" }, containers: [{ name: "agent", image: "agent:1" }] },
          },
        },
      };
      await kubernetes.kubectl("label", "node", "node-a", "node-b", "pool=edge");
      await kube.create(DAEMON_SETS, daemonSet, signal);
      const ready = (count: number, generation: number) => (objects: DaemonSet[]) =>
        objects[0]?.status?.numberAvailable === count &&
        objects[0].status.updatedNumberScheduled === count &&
        objects[0].status.desiredNumberScheduled === count &&
        objects[0].status.observedGeneration === generation;
      await waitFor(kube, DAEMON_SETS, namespace, ready(2, 1), signal);

      await using _ = await TestKubelet.start(kube, "node-c", { labels: { pool: "edge" } });
      await waitFor(kube, DAEMON_SETS, namespace, ready(3, 1), signal);

      await kubernetes.kubectl("-n", namespace, "set", "image", "ds/agent", "agent=agent:2");
      assert.match(
        await kubernetes.kubectl("-n", namespace, "rollout", "status", "ds/agent"),
        /successfully rolled out/,
      );
      await kubernetes.kubectl("-n", namespace, "rollout", "undo", "ds/agent");
      await waitFor(kube, DAEMON_SETS, namespace, ready(3, 3), signal);
      const pods = (await kube.list(PODS, { namespace }, signal)).items;
      assert.deepEqual(new Set(pods.map(({ spec }) => spec?.containers[0]?.image)), new Set(["agent:1"]));
      assert.match(await kubernetes.kubectl("-n", namespace, "rollout", "history", "ds/agent"), /\n2 .*\n3 /);

      await kubernetes.kubectl("label", "node", "node-c", "pool-");
      await waitFor(kube, DAEMON_SETS, namespace, ready(2, 3), signal);
      await kubernetes.kubectl("delete", "node", "node-c"); // the other tests' pods must not go where nobody runs them
    });

    test("tells in Endpoints and EndpointSlices who is behind a Service", async () => {
      const namespace = "endpoints";
      await createNamespace(kube, namespace, signal);
      const service = {
        metadata: { namespace, name: "web", labels: { tier: "front" } },
        spec: { selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
      };
      await kube.create(SERVICES, service, signal);
      await kube.create(
        SERVICES,
        { metadata: { namespace, name: "foreign" }, spec: { ports: [{ port: 80 }] } },
        signal,
      );
      const web = deployment(namespace, 2);
      const container = web.spec?.template.spec?.containers[0];
      assert.ok(container !== undefined);
      container.ports = [{ name: "http", containerPort: 8080 }];
      await kube.create(DEPLOYMENTS, web, signal);
      const addresses = (objects: Endpoints[]) =>
        objects.find(({ metadata }) => metadata?.name === "web")?.subsets?.[0];
      const objects = await waitFor(
        kube,
        ENDPOINTS,
        namespace,
        (each) => addresses(each)?.addresses?.length === 2,
        signal,
      );
      assert.deepEqual(addresses(objects)?.ports, [{ name: "http", port: 8080, protocol: "TCP" }]);
      assert.deepEqual(
        objects.map(({ metadata }) => metadata?.name),
        ["web"],
      );
      const [slice, ...others] = await waitFor(
        kube,
        ENDPOINT_SLICES,
        namespace,
        ([each]) =>
          each?.endpoints.length === 2 && each.endpoints.every(({ conditions }) => conditions?.ready === true),
        signal,
      );
      assert.deepEqual(others, []);
      assert.equal(slice?.metadata?.labels?.["kubernetes.io/service-name"], "web");
      assert.equal(slice.metadata.labels["tier"], "front");
      assert.ok(slice.endpoints.every(({ nodeName }) => nodeName?.startsWith("node-")));
      await kube.delete(SERVICES, { namespace, name: "web" }, signal);
      await waitFor(kube, ENDPOINTS, namespace, (each) => each.length === 0, signal);
      await waitFor(kube, ENDPOINT_SLICES, namespace, (each) => each.length === 0, signal);
    });

    test("waits in Recreate until the last old pod is gone", async () => {
      const namespace = "recreate";
      await createNamespace(kube, namespace, signal);
      const object = deployment(namespace, 2);
      await kube.create(
        DEPLOYMENTS,
        { ...object, spec: { ...object.spec, strategy: { type: "Recreate" } } as never },
        signal,
      );
      await waitFor(kube, DEPLOYMENTS, namespace, available(2), signal);
      await using informer = new Informer(kube, PODS, { namespace });
      const together: string[] = [];
      using _ = informer.onChange(() => {
        const images = new Set(informer.list().map(({ spec }) => spec?.containers[0]?.image));
        if (images.size > 1) together.push([...images].join());
      });
      await kubernetes.kubectl("-n", namespace, "set", "image", "deploy/web", "web=web:2");
      assert.match(
        await kubernetes.kubectl("-n", namespace, "rollout", "status", "deploy/web"),
        /successfully rolled out/,
      );
      assert.deepEqual(together, []);
    });

    test("says that a rollout stalls, and scales it in proportion", async () => {
      const namespace = "stalled";
      await createNamespace(kube, namespace, signal);
      const object = deployment(namespace, 4);
      await kube.create(
        DEPLOYMENTS,
        { ...object, spec: { ...object.spec, progressDeadlineSeconds: 1 } as never },
        signal,
      );
      await waitFor(kube, DEPLOYMENTS, namespace, available(4), signal);
      await kubernetes.kubectl("-n", namespace, "set", "image", "deploy/web", "web=never:1");
      const reasonOf = ([each]: Deployment[]) =>
        each?.status?.conditions?.find(({ type }) => type === "Progressing")?.reason;
      await waitFor(kube, DEPLOYMENTS, namespace, (each) => reasonOf(each) === "ProgressDeadlineExceeded", signal);
      await assert.rejects(
        kubernetes.kubectl("-n", namespace, "rollout", "status", "deploy/web"),
        /exceeded its progress/,
      );
      // 3 old and 2 new of at most 5: with 8 wanted, at most 10, each doubles.
      await kubernetes.kubectl("-n", namespace, "scale", "deploy/web", "--replicas=8");
      const sizes = (objects: ReplicaSet[]) => objects.map(({ spec }) => spec?.replicas ?? 0).sort((a, b) => a - b);
      await waitFor(kube, REPLICA_SETS, namespace, (each) => sizes(each).join() === "4,6", signal);
      await kubernetes.kubectl("-n", namespace, "rollout", "undo", "deploy/web");
      await waitFor(kube, DEPLOYMENTS, namespace, available(8), signal);
    });
  });
