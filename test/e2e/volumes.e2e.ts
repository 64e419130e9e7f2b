import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  CSI_DRIVERS,
  CSI_NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  PODS,
  STORAGE_CLASSES,
  type Volume,
} from "@kedge/kube";
import { TEST_IMAGE, TestCsiDriver } from "@kedge/testing";
import { CONTROL_PLANES, NAMESPACE, SLEEP, TestBed } from "./test-bed.ts";
import { waitForObject } from "./wait-for-object.ts";

const NODE = "edge-volumes";
const DRIVER = "sample.csi.kedge.test";
const accessModes = ["ReadWriteOnce"];
const run = promisify(execFile);
/** What was asked while the cloud came back may be asked again only after a minute. */
const TOLD_MS_MAX = 90_000;

/** What is mounted below a directory, deepest first. */
function mountPoints(directory: string): string[] {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "");
  return points.filter((point) => point.startsWith(`${directory}/`)).toSorted((a, b) => b.length - a.length);
}

for (const { name: plane, start, skip } of CONTROL_PLANES)
  describe(`volumes on the ${plane}`, { skip }, () => {
    let bed: TestBed;
    let disk: string;
    const scope = new AsyncDisposableStack();
    before(async () => {
      disk = mkdtempSync(join(tmpdir(), "kedge-disk-"));
      scope.defer(() => rmSync(disk, { recursive: true, force: true }));
      bed = scope.use(await TestBed.start(start, NODE));
    });
    after(() => scope.disposeAsync());
    const signal = () => AbortSignal.timeout(60_000);
    const key = (name: string) => ({ namespace: NAMESPACE, name });

    const claim = (name: string, spec: Partial<PersistentVolumeClaim["spec"]>): PersistentVolumeClaim => ({
      metadata: key(name),
      spec: { accessModes, resources: { requests: { storage: "1Mi" } }, ...spec },
    });
    const volume = (name: string, spec: Partial<PersistentVolume["spec"]>): PersistentVolume => ({
      metadata: { name },
      spec: { accessModes, capacity: { storage: "1Gi" }, ...spec },
    });
    /** Placed by the scheduler: a claim may wait for that. */
    const user = (name: string, data: Omit<Volume, "name">): Pod => ({
      metadata: key(name),
      spec: {
        nodeSelector: { "kubernetes.io/hostname": NODE },
        terminationGracePeriodSeconds: 1,
        automountServiceAccountToken: false,
        securityContext: { fsGroup: 2000 },
        containers: [
          {
            name: "main",
            image: TEST_IMAGE,
            imagePullPolicy: "Never",
            command: SLEEP,
            volumeMounts: [{ name: "data", mountPath: "/data" }],
          },
        ],
        volumes: [{ name: "data", ...data }],
      },
    });
    const sh = (pod: Pod, script: string) => bed.exec(pod, "main", ["sh", "-c", script]);
    const end = async (name: string) => {
      await bed.cloud.kube.delete(PODS, key(name), signal());
      await waitForObject(bed.cloud.kube, PODS, key(name), (pod) => pod === undefined);
    };
    const bound = (name: string) =>
      waitForObject(bed.cloud.kube, PERSISTENT_VOLUME_CLAIMS, key(name), (found) =>
        found?.status?.phase === "Bound" ? found : undefined,
      );

    test("what one pod writes to a local volume, the next one reads", async () => {
      const { kube } = bed.cloud;
      const matchExpressions = [{ key: "kubernetes.io/hostname", operator: "In", values: [NODE] }];
      const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions }] } };
      const metadata = { name: "by-hand" };
      const provisioner = "kubernetes.io/no-provisioner";
      const volumeBindingMode = "WaitForFirstConsumer";
      await kube.create(STORAGE_CLASSES, { metadata, provisioner, volumeBindingMode }, signal());
      const spec = { local: { path: disk }, storageClassName: "by-hand", nodeAffinity };
      await kube.create(PERSISTENT_VOLUMES, volume("disk", spec), signal());
      await kube.create(PERSISTENT_VOLUME_CLAIMS, claim("kept", { storageClassName: "by-hand" }), signal());
      const data = { persistentVolumeClaim: { claimName: "kept" } };
      await kube.create(PODS, user("writer", data), signal());
      const writer = await bed.podReady("writer");
      await sh(writer, "echo once > /data/file");
      assert.equal((await bound("kept")).spec?.volumeName, "disk");
      assert.equal(readFileSync(join(disk, "file"), "utf8"), "once\n");
      assert.equal(statSync(disk).gid, 2000);
      const target = join(
        bed.node.kubelet,
        "pods",
        writer.metadata?.uid ?? "",
        "volumes/kubernetes.io~local-volume/disk",
      );
      assert.ok(readFileSync("/proc/self/mountinfo", "utf8").includes(` ${target} `));
      await end("writer");
      await kube.create(PODS, user("reader", data), signal());
      await sh(await bed.podReady("reader"), "grep once /data/file");
      await end("reader");
      assert.equal(readFileSync("/proc/self/mountinfo", "utf8").includes("kubernetes.io~local-volume"), false);
    });

    test("a pod's own claim is mounted", async () => {
      const { kube } = bed.cloud;
      await mkdir(join(disk, "own"));
      const spec = { hostPath: { path: join(disk, "own") }, storageClassName: "own" };
      await kube.create(PERSISTENT_VOLUMES, volume("own", spec), signal());
      const template = { spec: { accessModes, resources: { requests: { storage: "1Mi" } }, storageClassName: "own" } };
      const data = { ephemeral: { volumeClaimTemplate: template } };
      await kube.create(PODS, user("owner", data), signal());
      await sh(await bed.podReady("owner"), "touch /data/mine");
      assert.deepEqual(await readdir(join(disk, "own")), ["mine"]);
      await end("owner");
      await waitForObject(kube, PERSISTENT_VOLUME_CLAIMS, key("owner-data"), (found) => found === undefined);
    });

    test("a CSI driver on the node is listed, and its volumes are mounted; an agent that dies touches none", async () => {
      const { kube } = bed.cloud;
      const spec = { attachRequired: false, podInfoOnMount: true };
      await kube.create(CSI_DRIVERS, { metadata: { name: DRIVER }, spec }, signal());
      const driver = scope.use(await TestCsiDriver.start({ root: bed.node.kubelet, maxVolumes: 7 }));
      const listed = await waitForObject(kube, CSI_NODES, { name: NODE }, (found) =>
        found?.spec.drivers?.find(({ name }) => name === DRIVER),
      );
      assert.deepEqual([listed.nodeID, listed.allocatable?.count], ["node-of-driver", 7]);

      await mkdir(driver.volumePath("vol-1"), { recursive: true });
      writeFileSync(join(driver.volumePath("vol-1"), "file"), "from the driver");
      const csi = { driver: DRIVER, volumeHandle: "vol-1", fsType: "ext4" };
      await kube.create(PERSISTENT_VOLUMES, volume("csi", { csi, storageClassName: "csi" }), signal());
      await kube.create(PERSISTENT_VOLUME_CLAIMS, claim("csi", { storageClassName: "csi" }), signal());
      const data = { persistentVolumeClaim: { claimName: "csi" } };
      await kube.create(PODS, user("driven", data), signal());
      const pod = await bed.podReady("driven");
      await sh(pod, "grep driver /data/file");
      assert.deepEqual(driver.methods(), ["stage", "publish"]);
      const context = driver.calls[1]?.request["volumeContext"] as Record<string, string> | undefined;
      assert.equal(context?.["csi.storage.k8s.io/pod.name"], "driven");

      const ids = await bed.containerIds({ "io.kubernetes.pod.uid": pod.metadata?.uid ?? "" });
      await bed.node.killAgent();
      await bed.node.startAgent();
      await waitForObject(kube, CSI_NODES, { name: NODE }, (found) => (found?.spec.drivers?.length ?? 0) > 0);
      await sh(pod, "grep driver /data/file");
      assert.deepEqual(await bed.containerIds({ "io.kubernetes.pod.uid": pod.metadata?.uid ?? "" }), ids);
      await end("driven");
      assert.equal(ids.length, 1);
      assert.deepEqual(driver.methods(), ["stage", "publish", "unpublish", "unstage"]);
      const left = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
      assert.deepEqual(
        left.filter((line) => line.includes(bed.node.kubelet) && line.includes("csi")),
        [],
      );
    });

    test("W-16, W-24: after a reboot without the cloud what claims name is mounted again", async () => {
      const { kube } = bed.cloud;
      const driver = scope.use(await TestCsiDriver.start({ root: bed.node.kubelet }));
      assert.equal(await driver.registered, "");
      await mkdir(driver.volumePath("vol-2"), { recursive: true });
      writeFileSync(join(driver.volumePath("vol-2"), "file"), "from the driver");
      const csi = { driver: DRIVER, volumeHandle: "vol-2" };
      await kube.create(PERSISTENT_VOLUMES, volume("csi-2", { csi, storageClassName: "csi-2" }), signal());
      await kube.create(PERSISTENT_VOLUME_CLAIMS, claim("csi-2", { storageClassName: "csi-2" }), signal());
      for (const [name, claimName] of [
        ["on-disk", "kept"],
        ["on-driver", "csi-2"],
      ] as const)
        await kube.create(PODS, user(name, { persistentVolumeClaim: { claimName } }), signal());
      const [onDisk, onDriver] = [await bed.podReady("on-disk"), await bed.podReady("on-driver")];
      await bed.cloud.kill();
      await bed.node.pullPlug();
      for (const point of mountPoints(bed.node.kubelet)) await run("umount", [point]);
      driver.calls.length = 0;
      await bed.node.boot();
      for (const name of ["on-disk", "on-driver"]) await bed.node.containerStarts({ "io.kubernetes.pod.name": name });
      await sh(onDisk, "grep once /data/file");
      await sh(onDriver, "grep driver /data/file");
      assert.deepEqual(driver.methods(), ["stage", "publish"]);
      await bed.cloud.start();
      for (const name of ["on-disk", "on-driver"]) {
        const restarted = (pod: Pod | undefined) => (pod?.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0;
        await waitForObject(kube, PODS, key(name), restarted, TOLD_MS_MAX);
        await end(name);
      }
      assert.deepEqual(mountPoints(join(bed.node.kubelet, "plugins")), []);
    });

    if (plane === "embedded control plane")
      test("a plain claim works out of the box", async () => {
        const { kube } = bed.cloud;
        await kube.create(PERSISTENT_VOLUME_CLAIMS, claim("plain", {}), signal());
        const data = { persistentVolumeClaim: { claimName: "plain" } };
        await kube.create(PODS, user("plain", data), signal());
        await sh(await bed.podReady("plain"), "echo kept > /data/file");
        const { spec } = await bound("plain");
        const { spec: made } = await kube.get(PERSISTENT_VOLUMES, { name: spec?.volumeName ?? "" }, signal());
        const path = made?.local?.path ?? "";
        assert.equal(readFileSync(join(path, "file"), "utf8"), "kept\n");
        await kube.delete(PERSISTENT_VOLUME_CLAIMS, key("plain"), signal());
        await end("plain");
        await waitForObject(kube, PERSISTENT_VOLUMES, { name: spec?.volumeName ?? "" }, (found) => found === undefined);
        assert.throws(() => statSync(path), { code: "ENOENT" });
      });
  });
