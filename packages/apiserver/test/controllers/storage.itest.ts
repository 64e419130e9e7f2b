import assert from "node:assert/strict";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  EVENTS,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  PODS,
  STORAGE_CLASSES,
  type Volume,
} from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { TestKubelet, TestKubernetes } from "@kedge/testing";
import { CONTROL_PLANES, type ControlPlane } from "./control-planes.ts";
import { createNamespace, waitFor } from "./wait-for.ts";

for (const plane of CONTROL_PLANES)
  describe(`claims and volumes on ${plane.name}`, { skip: TestKubernetes.missing(), timeout: 90_000 }, () => {
    let signal: AbortSignal;
    let control: ControlPlane;
    let kube: KubeClient;
    const scope = new AsyncDisposableStack();

    before(async () => {
      signal = AbortSignal.timeout(80_000);
      control = scope.use(await plane.start({}, signal));
      kube = control.kube;
      for (const name of ["node-a", "node-b"])
        scope.use(await TestKubelet.start(kube, name, { behave: () => "ready" }));
      await waitFor(kube, STORAGE_CLASSES, undefined, (classes) => classes.length > 0, signal);
    });
    after(() => scope.disposeAsync());

    const claim = (namespace: string, name: string, spec: Partial<PersistentVolumeClaim["spec"]> = {}) => ({
      metadata: { namespace, name },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
    });
    const volume = (name: string, spec: Partial<PersistentVolume["spec"]> = {}): PersistentVolume => ({
      metadata: { name },
      spec: {
        accessModes: ["ReadWriteOnce"],
        capacity: { storage: "2Gi" },
        hostPath: { path: `/tmp/${name}` },
        storageClassName: "by-hand",
        ...spec,
      },
    });
    const pod = (namespace: string, name: string, data: Omit<Volume, "name">, node?: string): Pod => ({
      metadata: { namespace, name },
      spec: {
        ...(node !== undefined && { nodeSelector: { "kubernetes.io/hostname": node } }),
        containers: [{ name: "app", image: "app" }],
        volumes: [{ name: "data", ...data }],
      },
    });
    const phase =
      (name: string, wanted: string) => (all: { metadata?: { name?: string }; status?: { phase?: string } }[]) =>
        all.some(({ metadata, status }) => metadata?.name === name && status?.phase === wanted);

    test("a plain claim gets a directory of the node that its pod runs on, and takes it along", async () => {
      const namespace = "plain";
      await createNamespace(kube, namespace, signal);
      const made = await kube.create(PERSISTENT_VOLUME_CLAIMS, claim(namespace, "data"), signal);
      const waits = (events: { reason?: string }[]) => events.some(({ reason }) => reason === "WaitForFirstConsumer");
      await waitFor(kube, EVENTS, namespace, waits, signal);
      await kube.create(PODS, pod(namespace, "user", { persistentVolumeClaim: { claimName: "data" } }), signal);
      const [running] = await waitFor(kube, PODS, namespace, phase("user", "Running"), signal);
      assert.equal(running?.spec?.nodeName, "node-a");
      const name = `pvc-${made.metadata?.uid}`;
      const bound = await kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace, name: "data" }, signal);
      assert.deepEqual(
        [bound.spec?.storageClassName, bound.spec?.volumeName, bound.status?.phase, bound.status?.capacity],
        ["local-path", name, "Bound", { storage: "1Gi" }],
      );
      const directory = join(control.volumes, name);
      assert.equal(statSync(directory).mode & 0o777, 0o777);
      writeFileSync(join(directory, "file"), "data");
      assert.match(
        await control.kubectl("-n", namespace, "get", "pvc", "data"),
        /data +Bound +pvc-.*1Gi +RWO +local-path/,
      );

      // In use it stays; with its last pod it goes, and what it held goes too.
      await kube.delete(PERSISTENT_VOLUME_CLAIMS, { namespace, name: "data" }, signal);
      const ending = await kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace, name: "data" }, signal);
      assert.deepEqual(ending.metadata?.finalizers, ["kubernetes.io/pvc-protection"]);
      await kube.delete(PODS, { namespace, name: "user" }, signal, { gracePeriodSeconds: 0 });
      await waitFor(kube, PERSISTENT_VOLUME_CLAIMS, namespace, (claims) => claims.length === 0, signal);
      const gone = (volumes: PersistentVolume[]) => !volumes.some(({ metadata }) => metadata?.name === name);
      await waitFor(kube, PERSISTENT_VOLUMES, undefined, gone, signal);
      assert.equal(existsSync(directory), false);
    });

    test("a pod that must run elsewhere is told that there is no volume for it", async () => {
      const namespace = "elsewhere";
      await createNamespace(kube, namespace, signal);
      await kube.create(PERSISTENT_VOLUME_CLAIMS, claim(namespace, "data"), signal);
      await kube.create(
        PODS,
        pod(namespace, "user", { persistentVolumeClaim: { claimName: "data" } }, "node-b"),
        signal,
      );
      const told = (pods: Pod[]) =>
        pods[0]?.status?.conditions?.some(({ message }) =>
          /didn't find available persistent volumes to bind/.test(message ?? ""),
        ) === true;
      await waitFor(kube, PODS, namespace, told, signal);
    });

    test("the smallest volume that fits is taken; a released one stays with what it holds", async () => {
      const namespace = "by-hand";
      await createNamespace(kube, namespace, signal);
      for (const [name, storage] of [
        ["large", "10Gi"],
        ["right", "3Gi"],
        ["small", "1Gi"],
      ] as const)
        await kube.create(PERSISTENT_VOLUMES, volume(name, { capacity: { storage } }), signal);
      const wanted = { storageClassName: "by-hand", resources: { requests: { storage: "2Gi" } } };
      await kube.create(PERSISTENT_VOLUME_CLAIMS, claim(namespace, "data", wanted), signal);
      await waitFor(kube, PERSISTENT_VOLUME_CLAIMS, namespace, phase("data", "Bound"), signal);
      const [right] = (await kube.list(PERSISTENT_VOLUMES, { fieldSelector: "metadata.name=right" }, signal)).items;
      assert.equal(right?.spec?.claimRef?.name, "data");
      await kube.delete(PERSISTENT_VOLUME_CLAIMS, { namespace, name: "data" }, signal);
      await waitFor(kube, PERSISTENT_VOLUMES, undefined, phase("right", "Released"), signal);
      await waitFor(kube, PERSISTENT_VOLUMES, undefined, phase("large", "Available"), signal);
    });

    test("what nobody here can delete is kept, and says so", async () => {
      const namespace = "kept";
      await createNamespace(kube, namespace, signal);
      const spec = { persistentVolumeReclaimPolicy: "Delete", storageClassName: "kept", hostPath: { path: "/" } };
      await kube.create(PERSISTENT_VOLUMES, volume("kept", spec), signal);
      await kube.create(PERSISTENT_VOLUME_CLAIMS, claim(namespace, "data", { storageClassName: "kept" }), signal);
      await waitFor(kube, PERSISTENT_VOLUME_CLAIMS, namespace, phase("data", "Bound"), signal);
      await kube.delete(PERSISTENT_VOLUME_CLAIMS, { namespace, name: "data" }, signal);
      await waitFor(kube, PERSISTENT_VOLUMES, undefined, phase("kept", "Failed"), signal);
    });

    test("two claims never get one volume", async () => {
      const namespace = "race";
      await createNamespace(kube, namespace, signal);
      const wanted = { storageClassName: "race" };
      const names = ["a", "b", "c", "d", "e", "f"];
      await Promise.all(
        names.map((name) => kube.create(PERSISTENT_VOLUME_CLAIMS, claim(namespace, name, wanted), signal)),
      );
      await Promise.all(names.map((name) => kube.create(PERSISTENT_VOLUMES, volume(`race-${name}`, wanted), signal)));
      const bound = await waitFor(
        kube,
        PERSISTENT_VOLUME_CLAIMS,
        namespace,
        (claims) => claims.every(({ status }) => status?.phase === "Bound"),
        signal,
      );
      assert.equal(new Set(bound.map(({ spec }) => spec?.volumeName)).size, names.length);
    });

    test("a pod's own claim is made for it, and goes with it", async () => {
      const namespace = "own";
      await createNamespace(kube, namespace, signal);
      const { spec } = claim(namespace, "");
      await kube.create(PODS, pod(namespace, "user", { ephemeral: { volumeClaimTemplate: { spec } } }), signal);
      await waitFor(kube, PODS, namespace, phase("user", "Running"), signal);
      const [own] = (await kube.list(PERSISTENT_VOLUME_CLAIMS, { namespace }, signal)).items;
      assert.deepEqual([own?.metadata?.name, own?.metadata?.ownerReferences?.[0]?.kind], ["user-data", "Pod"]);
      await kube.delete(PODS, { namespace, name: "user" }, signal, { gracePeriodSeconds: 0 });
      await waitFor(kube, PERSISTENT_VOLUME_CLAIMS, namespace, (claims) => claims.length === 0, signal);
    });
  });
