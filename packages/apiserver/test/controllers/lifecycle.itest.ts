import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  type CustomResourceDefinition,
  type KubeObject,
  NAMESPACES,
  PODS,
  REPLICA_SETS,
  type ResourceType,
  SERVICE_ACCOUNTS,
} from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { TestKubelet, TestKubernetes } from "@kedge/testing";
import { CONTROL_PLANES, type ControlPlane } from "./control-planes.ts";
import { createNamespace, waitFor } from "./wait-for.ts";

const CRDS: ResourceType<CustomResourceDefinition> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  resource: "customresourcedefinitions",
  namespaced: false,
};
const thing = (kind: string): ResourceType => ({
  group: "test.kedge",
  version: "v1",
  kind,
  resource: `${kind.toLowerCase()}s`,
  namespaced: true,
});
const definition = ({ group, version, kind, resource }: ResourceType): CustomResourceDefinition => ({
  metadata: { name: `${resource}.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { kind, plural: resource, singular: kind.toLowerCase() },
    versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
});

for (const plane of CONTROL_PLANES)
  describe(`life cycle on ${plane.name}`, { skip: TestKubernetes.missing(), timeout: 60_000 }, () => {
    let signal: AbortSignal;
    let kubernetes: ControlPlane;
    let kube: KubeClient;
    const scope = new AsyncDisposableStack();

    before(async () => {
      signal = AbortSignal.timeout(40_000);
      kubernetes = scope.use(await plane.start({}, signal));
      kube = kubernetes.kube;
      scope.use(await TestKubelet.start(kube, "node-a"));
    });
    after(() => scope.disposeAsync());

    /** A namespace in which pods may be created. */
    async function namespaceOf(name: string): Promise<string> {
      await createNamespace(kube, name, signal);
      return name;
    }

    const configMap = (namespace: string, name: string, owner?: KubeObject, blockOwnerDeletion = false) => ({
      metadata: {
        namespace,
        name,
        ...(owner === undefined
          ? {}
          : {
              ownerReferences: [
                {
                  apiVersion: "v1",
                  kind: "ConfigMap",
                  name: owner.metadata?.name ?? "",
                  uid: owner.metadata?.uid ?? "",
                  blockOwnerDeletion,
                },
              ],
            }),
      },
    });
    const names = (objects: KubeObject[]) =>
      objects.map(({ metadata }) => metadata?.name).filter((name) => name !== "kube-root-ca.crt");

    const replicaSet = (namespace: string) => ({
      metadata: { namespace, name: "web" },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web" }] } },
      },
    });
    const assigned = (count: number) => (objects: { spec?: { nodeName?: string } }[]) =>
      objects.length === count && objects.every(({ spec }) => spec?.nodeName === "node-a");

    test("gives every namespace its ServiceAccount and root certificate, and heals them", async () => {
      const namespace = await namespaceOf("defaults");
      const holds = ([object]: { data?: Record<string, string> }[]) => object?.data?.["ca.crt"] === kubernetes.caPem;
      await waitFor(kube, CONFIG_MAPS, namespace, holds, signal);
      const key = { namespace, name: "kube-root-ca.crt" };
      await kube.patch(CONFIG_MAPS, key, { type: "merge", body: { data: { "ca.crt": "forged" } } }, signal);
      await waitFor(kube, CONFIG_MAPS, namespace, holds, signal);
      await kube.delete(SERVICE_ACCOUNTS, { namespace, name: "default" }, signal);
      await waitFor(kube, SERVICE_ACCOUNTS, namespace, (objects) => objects.length === 1, signal);
    });

    test("empties a deleted namespace, custom resources included, and lets it go", async () => {
      const namespace = await namespaceOf("doomed");
      const widget = thing("Widget");
      await kube.create(CRDS, definition(widget), signal);
      await kubernetes.kubectl("wait", "--for=condition=Established", "crd/widgets.test.kedge", "--timeout=10s");
      await kube.create(widget, { metadata: { namespace, name: "w", finalizers: ["test.kedge/hold"] } }, signal);
      await kube.create(REPLICA_SETS, replicaSet(namespace), signal);
      await waitFor(kube, PODS, namespace, assigned(2), signal);
      await kube.delete(NAMESPACES, { name: namespace }, signal);
      const told = (objects: { metadata?: { name?: string }; status?: { conditions?: { message?: string }[] } }[]) =>
        objects
          .find(({ metadata }) => metadata?.name === namespace)
          ?.status?.conditions?.some(({ message }) => message?.includes("test.kedge/hold in 1 resource instances")) ===
        true;
      await waitFor(kube, NAMESPACES, undefined, told, signal);
      await kube.patch(
        widget,
        { namespace, name: "w" },
        { type: "merge", body: { metadata: { finalizers: [] } } },
        signal,
      );
      await waitFor(kube, NAMESPACES, undefined, (objects) => !names(objects).includes(namespace), signal);
    });

    test("collects in the background: what belonged to a deleted object goes, and theirs", async () => {
      const namespace = await namespaceOf("background");
      const root = await kube.create(CONFIG_MAPS, configMap(namespace, "root"), signal);
      const child = await kube.create(CONFIG_MAPS, configMap(namespace, "child", root), signal);
      await kube.create(CONFIG_MAPS, configMap(namespace, "grandchild", child), signal);
      await kube.create(CONFIG_MAPS, configMap(namespace, "stranger"), signal);
      await kube.delete(CONFIG_MAPS, { namespace, name: "root" }, signal, { propagationPolicy: "Background" });
      await waitFor(kube, CONFIG_MAPS, namespace, (objects) => names(objects).join() === "stranger", signal);
    });

    test("collects what names an owner that was deleted and created anew", async () => {
      const namespace = await namespaceOf("namesake");
      const root = await kube.create(CONFIG_MAPS, configMap(namespace, "root"), signal);
      await kube.delete(CONFIG_MAPS, { namespace, name: "root" }, signal);
      await kube.create(CONFIG_MAPS, configMap(namespace, "root"), signal);
      await kube.create(CONFIG_MAPS, configMap(namespace, "child", root), signal);
      await waitFor(kube, CONFIG_MAPS, namespace, (objects) => names(objects).join() === "root", signal);
    });

    test("in the foreground the owner outlives those that block it", async () => {
      const namespace = await namespaceOf("foreground");
      const root = await kube.create(CONFIG_MAPS, configMap(namespace, "root"), signal);
      const held = configMap(namespace, "child", root, true);
      await kube.create(CONFIG_MAPS, { metadata: { ...held.metadata, finalizers: ["test.kedge/hold"] } }, signal);
      await kube.delete(CONFIG_MAPS, { namespace, name: "root" }, signal, { propagationPolicy: "Foreground" });
      const childGoes = (objects: KubeObject[]) =>
        objects.some(({ metadata }) => metadata?.name === "child" && metadata.deletionTimestamp !== undefined);
      const both = await waitFor(kube, CONFIG_MAPS, namespace, childGoes, signal);
      assert.ok(names(both).includes("root"));
      const body = { metadata: { finalizers: [] } };
      await kube.patch(CONFIG_MAPS, { namespace, name: "child" }, { type: "merge", body }, signal);
      await waitFor(kube, CONFIG_MAPS, namespace, (objects) => names(objects).length === 0, signal);
    });

    test("a Deployment deleted in the foreground goes last, after its ReplicaSets and their pods", async () => {
      const namespace = await namespaceOf("tree");
      const { spec } = replicaSet(namespace);
      await kube.create(DEPLOYMENTS, { metadata: { namespace, name: "web" }, spec }, signal);
      await waitFor(kube, PODS, namespace, assigned(2), signal);
      await kubernetes.kubectl("-n", namespace, "delete", "deploy/web", "--cascade=foreground", "--timeout=20s");
      // kubectl waits for the Deployment alone: what it waited for must be gone by now.
      for (const type of [REPLICA_SETS, PODS] as const) {
        const { items } = await kube.list<KubeObject>(type, { namespace }, signal);
        assert.deepEqual(names(items), [], type.kind);
      }
    });

    test("orphans on request; a new ReplicaSet adopts the pods", async () => {
      const namespace = await namespaceOf("orphans");
      await kube.create(REPLICA_SETS, replicaSet(namespace), signal);
      const before = await waitFor(kube, PODS, namespace, assigned(2), signal);
      await kubernetes.kubectl("-n", namespace, "delete", "rs/web", "--cascade=orphan");
      const orphaned = (objects: KubeObject[]) =>
        objects.length === 2 && objects.every(({ metadata }) => metadata?.ownerReferences === undefined);
      await waitFor(kube, PODS, namespace, orphaned, signal);
      const created = await kube.create(REPLICA_SETS, replicaSet(namespace), signal);
      const adopted = (objects: KubeObject[]) =>
        objects.length === 2 &&
        objects.every(({ metadata }) => metadata?.ownerReferences?.[0]?.uid === created.metadata?.uid);
      const after = await waitFor(kube, PODS, namespace, adopted, signal);
      assert.deepEqual(new Set(names(after)), new Set(names(before)));
    });

    test("collects custom resources defined later, across kinds", async () => {
      const namespace = await namespaceOf("custom");
      const [device, status] = [thing("Gadget"), thing("GadgetStatus")];
      for (const type of [device, status]) await kube.create(CRDS, definition(type), signal);
      for (const { resource } of [device, status])
        await kubernetes.kubectl("wait", "--for=condition=Established", `crd/${resource}.test.kedge`, "--timeout=10s");
      const owner = await kube.create(device, { metadata: { namespace, name: "d" } }, signal);
      const reference = { apiVersion: "test.kedge/v1", kind: "Gadget", name: "d", uid: owner.metadata?.uid ?? "" };
      await kube.create(status, { metadata: { namespace, name: "d", ownerReferences: [reference] } }, signal);
      await kube.delete(device, { namespace, name: "d" }, signal);
      await waitFor(kube, status, namespace, (objects) => objects.length === 0, signal);
    });
  });
