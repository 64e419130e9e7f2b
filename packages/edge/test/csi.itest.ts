import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Pod, Volume } from "@kedge/kube";
import { TestCsiDriver, type TestCsiDriverOptions } from "@kedge/testing";
import { attachmentName, stagingDirectory } from "../src/edged/csi/volume-data.ts";
import { mountPointsBelow } from "../src/edged/volumes/run-mount.ts";
import type { VolumeManager } from "../src/edged/volumes/volume-manager.ts";
import { base64, mountOf, needsRoot, podWith, signal, VolumeNode } from "../src/edged/volumes/volume-node.test-data.ts";

const options = { skip: needsRoot, timeout: 30_000 };
const DRIVER = "sample.csi.kedge.test";
const CAPABILITY = { stage: 1, expand: 3, mountGroup: 6 };

/** A node, a driver on it, and a claim of one of its volumes that needs no attaching. */
async function start(scope: AsyncDisposableStack, overrides: Partial<TestCsiDriverOptions> = {}) {
  const node = scope.use(new VolumeNode());
  node.csiDrivers[DRIVER] = { metadata: { name: DRIVER }, spec: { attachRequired: false } };
  node.bind("c", { csi: { driver: DRIVER, volumeHandle: "vol-1", fsType: "ext4" }, accessModes: ["ReadWriteOnce"] });
  const driver = scope.use(await TestCsiDriver.start({ root: node.rootDirectory, ...overrides }));
  return { node, driver, claim: { name: "data", persistentVolumeClaim: { claimName: "c" } } satisfies Volume };
}

function withUid(pod: Pod, uid: string): Pod {
  return { ...pod, metadata: { ...pod.metadata, uid } };
}

/** Until it holds: drivers come, and what waited for them is done, in their own time. */
async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await isTrue())) {
    assert.ok(performance.now() < end, `not in time: ${isTrue.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function ready(volumes: VolumeManager, driver: TestCsiDriver): Promise<void> {
  assert.equal(await driver.registered, "");
  await until(() => volumes.plugins.drivers.all.some(({ name }) => name === driver.name));
}

const scopes: AsyncDisposableStack[] = [];
after(async () => {
  for (const scope of scopes) await scope.disposeAsync();
});
function newScope(): AsyncDisposableStack {
  const scope = new AsyncDisposableStack();
  scopes.push(scope);
  return scope;
}

test("a volume is staged once, published for each pod, and undone with the last", options, async () => {
  const { node, driver, claim } = await start(newScope());
  const volumes = await node.volumes();
  await ready(volumes, driver);
  const [first, second] = [podWith(claim), withUid(podWith(claim), "uid-2")];
  await volumes.prepare(first, signal);
  await volumes.prepare(first, signal);
  await volumes.prepare(second, signal);
  assert.deepEqual(driver.methods(), ["stage", "publish", "publish"]);
  const { hostPath = "" } = await mountOf(volumes, first);
  const directory = node.path("kubernetes.io~csi", "pv-c");
  assert.equal(hostPath, join(directory, "mount"));
  writeFileSync(join(hostPath, "file"), "kept");
  assert.equal(readFileSync(join(driver.volumePath("vol-1"), "file"), "utf8"), "kept");

  // Where and as a kubelet keeps them, so that either agent can go on from the other's.
  const global = stagingDirectory(node.rootDirectory, DRIVER, "vol-1");
  assert.match(global, /\/plugins\/kubernetes\.io\/csi\/sample\.csi\.kedge\.test\/[0-9a-f]{64}$/);
  const record = (path: string) => JSON.parse(readFileSync(join(path, "vol_data.json"), "utf8")) as unknown;
  assert.deepEqual(record(global), { volumeHandle: "vol-1", driverName: DRIVER });
  assert.deepEqual(record(directory), {
    specVolID: "pv-c",
    volumeHandle: "vol-1",
    driverName: DRIVER,
    nodeName: "edge-1",
    volumeLifecycleMode: "Persistent",
    attachmentID: attachmentName("vol-1", DRIVER, "edge-1"),
  });
  const [stage, publish] = driver.calls;
  assert.equal(stage?.request["stagingTargetPath"], join(global, "globalmount"));
  assert.equal(publish?.request["targetPath"], hostPath);
  assert.deepEqual(await volumes.plugins.volumes.inUse(), [`kubernetes.io/csi/${DRIVER}^vol-1`]);
  assert.deepEqual(publish?.request["volumeContext"], {});

  driver.calls.length = 0;
  await volumes.release("uid-1", signal);
  assert.deepEqual(driver.methods(), ["unpublish"]);
  await volumes.release("uid-2", signal);
  assert.deepEqual(driver.methods(), ["unpublish", "unpublish", "unstage"]);
  assert.deepEqual(await volumes.plugins.volumes.inUse(), []);
  assert.deepEqual(await mountPointsBelow(node.rootDirectory), []);
  assert.deepEqual(await readdir(join(global, "..")), []);
});

test("an agent that restarts touches no volume of a running pod", options, async () => {
  const { node, driver, claim } = await start(newScope());
  const before = await node.volumes();
  await ready(before, driver);
  const pod = podWith(claim);
  await before.prepare(pod, signal);
  await before[Symbol.asyncDispose]();
  driver.calls.length = 0;
  const volumes = await node.volumes();
  await until(() => volumes.plugins.drivers.all.length === 1);
  await volumes.prepare(pod, signal);
  assert.deepEqual(driver.methods(), []);
  await volumes.release("uid-1", signal);
  assert.deepEqual(driver.methods(), ["unpublish", "unstage"]);
});

test("after a power cut the pods' volumes come back, and those of pods that are gone are undone", options, async () => {
  const { node, driver, claim } = await start(newScope());
  node.bind("d", { csi: { driver: DRIVER, volumeHandle: "vol-2" }, accessModes: ["ReadWriteOnce"] });
  const before = await node.volumes();
  await ready(before, driver);
  const other: Volume = { name: "data", persistentVolumeClaim: { claimName: "d" } };
  const [stays, gone] = [podWith(claim), withUid(podWith(other), "uid-2")];
  for (const pod of [stays, gone]) await before.prepare(pod, signal);
  await before[Symbol.asyncDispose]();
  await driver.stop(false); // its socket stays behind, and nobody listens
  const { unmount } = await import("../src/edged/volumes/run-mount.ts");
  for (const point of await mountPointsBelow(node.rootDirectory)) await unmount(point, signal);

  const volumes = await node.volumes();
  await assert.rejects(volumes.prepare(stays, signal), {
    code: "DriverNotReady",
    message: /driver name sample\.csi\.kedge\.test not found in the list of registered CSI drivers/,
  });
  await assert.rejects(volumes.release("uid-2", signal), { code: "DriverNotReady" });
  driver.calls.length = 0;
  await driver.start();
  await ready(volumes, driver);
  await until(async () => !(await volumes.podUids()).includes("uid-2"));
  await until(() => driver.methods().includes("unstage"));
  await volumes.prepare(stays, signal);
  assert.deepEqual(driver.methods(), ["unpublish", "unstage", "stage", "publish"]);
  assert.equal(driver.calls[1]?.request["volumeId"], "vol-2");
});

test("what was staged and is no pod's any more is unstaged when its driver comes", options, async () => {
  const { node, driver, claim } = await start(newScope());
  const before = await node.volumes();
  await ready(before, driver);
  await before.prepare(podWith(claim), signal);
  driver.failures.set("unstage", "device is busy");
  await assert.rejects(before.release("uid-1", signal), { message: /device is busy/ });
  await before[Symbol.asyncDispose]();
  driver.failures.clear();
  driver.calls.length = 0;
  const volumes = await node.volumes();
  await until(() => driver.methods().includes("unstage"));
  await until(async () => (await mountPointsBelow(node.rootDirectory)).length === 0);
  assert.deepEqual(driver.methods(), ["unstage"]);
  await volumes.release("uid-1", signal);
});

test("a volume that must be attached waits for its VolumeAttachment, and tells what that says", options, async () => {
  const { node, driver, claim } = await start(newScope());
  node.csiDrivers[DRIVER] = { metadata: { name: DRIVER }, spec: {} };
  const volumes = await node.volumes();
  await ready(volumes, driver);
  const name = attachmentName("vol-1", DRIVER, "edge-1");
  const waits = (message: RegExp) =>
    assert.rejects(volumes.prepare(podWith(claim), signal), { code: "NotAttached", message });
  await waits(/is not attached to this node yet: there is no VolumeAttachment csi-[0-9a-f]{64}$/);
  const spec = { attacher: DRIVER, nodeName: "edge-1", source: { persistentVolumeName: "pv-c" } };
  node.attachments[name] = { spec, status: { attached: false, attachError: { message: "disk is elsewhere" } } };
  await waits(/disk is elsewhere$/);
  assert.deepEqual(driver.methods(), []);
  node.attachments[name] = { spec, status: { attached: true, attachmentMetadata: { device: "/dev/x" } } };
  await volumes.prepare(podWith(claim), signal);
  assert.deepEqual(
    driver.calls.map(({ request }) => request["publishContext"]),
    [{ device: "/dev/x" }, { device: "/dev/x" }],
  );
  await volumes.release("uid-1", signal);
});

test("a volume that the pod names itself lives with the pod, and learns of it", options, async () => {
  const { node, driver } = await start(newScope());
  const tokenRequests = [{ audience: "vault", expirationSeconds: 600 }];
  node.csiDrivers[DRIVER] = {
    metadata: { name: DRIVER },
    spec: { attachRequired: false, podInfoOnMount: true, volumeLifecycleModes: ["Ephemeral"], tokenRequests },
  };
  node.secrets["login"] = { data: { user: base64("me") } };
  const volumes = await node.volumes();
  await ready(volumes, driver);
  const csi = {
    driver: DRIVER,
    readOnly: true,
    volumeAttributes: { size: "1Gi" },
    nodePublishSecretRef: { name: "login" },
  };
  const pod = podWith({ name: "scratch", csi });
  await volumes.prepare(pod, signal);
  assert.deepEqual(driver.methods(), ["publish"]);
  const { request } = driver.calls[0] ?? {};
  assert.match(String(request?.["volumeId"]), /^csi-[0-9a-f]{64}$/);
  assert.deepEqual([request?.["readonly"], request?.["secrets"]], [true, { user: "me" }]);
  const { "csi.storage.k8s.io/serviceAccount.tokens": tokens = "", ...context } = (request?.["volumeContext"] ??
    {}) as Record<string, string>;
  assert.deepEqual(context, {
    size: "1Gi",
    "csi.storage.k8s.io/pod.name": "p",
    "csi.storage.k8s.io/pod.namespace": "shop",
    "csi.storage.k8s.io/pod.uid": "uid-1",
    "csi.storage.k8s.io/serviceAccount.name": "runner",
    "csi.storage.k8s.io/ephemeral": "true",
  });
  assert.deepEqual(Object.keys(JSON.parse(tokens) as object), ["vault"]);
  assert.equal((await mountOf(volumes, pod)).readonly, true);
  await volumes.release("uid-1", signal);
  assert.deepEqual(driver.methods(), ["publish", "unpublish"]);
});

test("a mode that the CSIDriver does not list is refused", options, async () => {
  const { node, driver } = await start(newScope());
  const volumes = await node.volumes();
  await ready(volumes, driver);
  await assert.rejects(volumes.prepare(podWith({ name: "scratch", csi: { driver: DRIVER } }), signal), {
    code: "VolumeNotSupported",
    message:
      /volume mode "Ephemeral" not supported by driver sample\.csi\.kedge\.test \(only supports \["Persistent"\]\)/,
  });
});

for (const { policy, fsType, accessModes, owned } of [
  { policy: undefined, fsType: "ext4", accessModes: ["ReadWriteOnce"], owned: true },
  { policy: undefined, fsType: "ext4", accessModes: ["ReadWriteMany"], owned: false },
  { policy: undefined, fsType: undefined, accessModes: ["ReadWriteOnce"], owned: false },
  { policy: "File", fsType: undefined, accessModes: ["ReadWriteMany"], owned: true },
  { policy: "None", fsType: "ext4", accessModes: ["ReadWriteOnce"], owned: false },
])
  test(
    `fsGroupPolicy ${policy ?? "default"}, ${fsType ?? "no fsType"}, ${accessModes.join()}: ${owned ? "the group's" : "left alone"}`,
    options,
    async () => {
      const { node, driver, claim } = await start(newScope());
      node.csiDrivers[DRIVER] = {
        metadata: { name: DRIVER },
        spec: { attachRequired: false, ...(policy !== undefined && { fsGroupPolicy: policy }) },
      };
      node.bind("c", {
        csi: { driver: DRIVER, volumeHandle: "vol-1", ...(fsType !== undefined && { fsType }) },
        accessModes,
      });
      const volumes = await node.volumes();
      await ready(volumes, driver);
      const pod = podWith(claim, { securityContext: { fsGroup: 2345 } });
      await volumes.prepare(pod, signal);
      const { statSync } = await import("node:fs");
      assert.equal(statSync((await mountOf(volumes, pod)).hostPath ?? "").gid === 2345, owned);
      await volumes.release("uid-1", signal);
    },
  );

test("a driver that applies groups itself is told the pod's", options, async () => {
  const { node, driver, claim } = await start(newScope(), { capabilities: [CAPABILITY.stage, CAPABILITY.mountGroup] });
  const volumes = await node.volumes();
  await ready(volumes, driver);
  await volumes.prepare(podWith(claim, { securityContext: { fsGroup: 2345 } }), signal);
  for (const { request } of driver.calls) {
    const { accessType } = request["volumeCapability"] as { accessType: { value: { volumeMountGroup: string } } };
    assert.equal(accessType.value.volumeMountGroup, "2345");
  }
  await volumes.release("uid-1", signal);
});

test("what asks for it is published again at each refresh", options, async () => {
  const { node, driver, claim } = await start(newScope());
  node.csiDrivers[DRIVER] = { metadata: { name: DRIVER }, spec: { attachRequired: false, requiresRepublish: true } };
  const volumes = await node.volumes();
  await ready(volumes, driver);
  await volumes.prepare(podWith(claim), signal);
  await volumes.refresh(podWith(claim), signal);
  assert.deepEqual(driver.methods(), ["stage", "publish", "publish"]);
  await volumes.release("uid-1", signal);
});

test(
  "W-10, W-24: the CSINode lists the node's drivers, with limits and topology, as soon as the cloud is there",
  options,
  async () => {
    const topology = { "topology.sample/zone": "a" };
    const { node, driver } = await start(newScope(), { maxVolumes: 8, topology });
    node.offline = true;
    const volumes = await node.volumes();
    await ready(volumes, driver);
    node.offline = false;
    node.bus.notify("hub/connection", { connected: true, agreed: true });
    const listed = {
      name: DRIVER,
      nodeID: "node-of-driver",
      topologyKeys: ["topology.sample/zone"],
      allocatable: { count: 8 },
    };
    await until(() => node.csiNodes.length > 0);
    assert.deepEqual(node.csiNodes.at(-1)?.csiNode, { metadata: { name: "edge-1" }, spec: { drivers: [listed] } });
    assert.deepEqual(volumes.plugins.drivers.topology, topology);
    await driver.stop();
    await until(() => node.csiNodes.at(-1)?.csiNode.spec.drivers.length === 0);
    assert.equal(node.csiNodes.at(-1)?.partial, false);
  },
);

test("a plugin of a type that nobody takes is told so", options, async () => {
  const root = await mkdtemp(join(tmpdir(), "kedge-plugins-"));
  const scope = newScope();
  scope.defer(() => rm(root, { recursive: true, force: true }));
  const { silentLogger, systemClock } = await import("@kedge/runtime");
  const { PluginRegistry } = await import("../src/edged/csi/plugin-registry.ts");
  scope.use(
    await PluginRegistry.start(join(root, "plugins_registry"), {
      logger: silentLogger,
      clock: systemClock,
      handlers: new Map(),
    }),
  );
  const driver = scope.use(await TestCsiDriver.start({ root }));
  assert.match(await driver.registered, /this node takes no plugins of type "CSIPlugin"/);
});

test("a volume that the cluster made larger grows on the node, and the cluster is told", options, async () => {
  const { node, driver, claim } = await start(newScope(), { capabilities: [CAPABILITY.stage, CAPABILITY.expand] });
  const volumes = await node.volumes();
  await ready(volumes, driver);
  const pod = podWith(claim);
  await volumes.prepare(pod, signal);
  await volumes.refresh(pod, signal);
  assert.deepEqual(driver.methods(), ["stage", "publish"]);
  Object.assign(node.persistentVolumes["pv-c"]?.spec ?? {}, { capacity: { storage: "2Gi" } });
  await volumes.refresh(pod, signal);
  assert.deepEqual(driver.methods(), ["stage", "publish", "expand"]);
  const { request } = driver.calls[2] ?? {};
  assert.equal(request?.["volumePath"], (await mountOf(volumes, pod)).hostPath);
  const size = { uid: "claim-c", storage: "2Gi" };
  assert.deepEqual(node.sizes, [{ key: { namespace: "shop", name: "c" }, size }]);
  await volumes.release("uid-1", signal);
});

test("W-47: a call of a driver's controller goes to the node's driver, whatever its name", options, async () => {
  const { node, driver } = await start(newScope());
  const volumes = await node.volumes();
  const call = (request: object) =>
    node.bus.request("edged/csiCall", { operation: "createvolume", request: JSON.stringify(request) }, signal);
  await ready(volumes, driver);
  const request = { name: "pvc-1", capacityRange: { requiredBytes: "1073741824" }, unknownField: true };
  assert.deepEqual(await call(request), { volume: { volume_id: "vol-of-pvc-1", capacity_bytes: 1073741824 } });
  assert.equal(driver.calls[0]?.request["name"], "pvc-1");
  driver.failures.set("create", "no room");
  await assert.rejects(call(request), { message: /no room/ });

  const other = await TestCsiDriver.start({ root: node.rootDirectory, name: "other.csi.kedge.test" });
  await using _ = other;
  await ready(volumes, other);
  node.bus.handle("meta/list", () => Object.values(node.persistentVolumes));
  await assert.rejects(call(request), { code: "DriverNotReady", message: /several CSI drivers run on this node/ });
});

test("a volume whose agent ended before it was the group's is given to the group by the next", options, async () => {
  const { node, driver, claim } = await start(newScope());
  const before = await node.volumes();
  await ready(before, driver);
  const pod = podWith(claim, { securityContext: { fsGroup: 2345 } });
  await before.prepare(pod, signal);
  await before[Symbol.asyncDispose]();
  const { chownSync, statSync } = await import("node:fs");
  const { hostPath = "" } = await mountOf(before, pod);
  const record = join(hostPath, "../vol_data.json");
  const data = JSON.parse(readFileSync(record, "utf8")) as Record<string, string>;
  assert.equal(data["groupPending"], undefined);
  chownSync(hostPath, 0, 0);
  writeFileSync(record, JSON.stringify({ ...data, groupPending: "2345" })); // as it was a moment before

  const volumes = await node.volumes();
  await until(() => volumes.plugins.drivers.all.length === 1);
  driver.calls.length = 0;
  await volumes.prepare(pod, signal);
  assert.equal(statSync(hostPath).gid, 2345);
  assert.deepEqual(driver.methods(), []);
  await volumes.release("uid-1", signal);
});
