import assert from "node:assert/strict";
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod, Volume } from "@kedge/kube";
import { mountPointsBelow } from "./run-mount.ts";
import { mountOf, needsRoot, podWith, signal, VolumeNode } from "./volume-node.test-data.ts";

const claimed = (claimName: string, readOnly = false): Volume => ({
  name: "data",
  persistentVolumeClaim: { claimName, ...(readOnly && { readOnly }) },
});

/** A directory outside of the node's, with a file in it. */
function disk(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "kedge-disk-"));
  writeFileSync(join(path, "kept"), "yes", { mode: 0o600 });
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test("a claim that is bound to a hostPath volume shows that path", async () => {
  await using node = new VolumeNode();
  using host = disk();
  node.bind("c", { hostPath: { path: join(host.path, "made"), type: "DirectoryOrCreate" } });
  const volumes = await node.volumes();
  const pod = podWith(claimed("c", false));
  await volumes.prepare(pod, signal);
  const { hostPath, readonly } = await mountOf(volumes, pod);
  assert.deepEqual([hostPath, readonly], [join(host.path, "made"), false]);
  assert.ok(statSync(hostPath ?? "").isDirectory());
});

test(
  "a local volume is bound into the pod's directory, given to its group, and unbound",
  { skip: needsRoot },
  async () => {
    await using node = new VolumeNode();
    using host = disk();
    symlinkSync(host.path, `${host.path}-link`);
    try {
      node.bind("c", { local: { path: `${host.path}-link` }, accessModes: ["ReadWriteOnce"] });
      const volumes = await node.volumes();
      const pod = podWith(claimed("c"), { securityContext: { fsGroup: 2000 } });
      await volumes.prepare(pod, signal);
      const target = node.path("kubernetes.io~local-volume", "pv-c");
      assert.equal((await mountOf(volumes, pod)).hostPath, target);
      assert.equal(readFileSync(join(target, "kept"), "utf8"), "yes");
      const [root, file] = [statSync(host.path), statSync(join(host.path, "kept"))];
      assert.deepEqual([root.gid, root.mode & 0o2070, file.gid, file.mode & 0o777], [2000, 0o2070, 2000, 0o660]);
      // A second pod does not make the first one's files anybody else's.
      const second: Pod = { ...pod, metadata: { ...pod.metadata, uid: "uid-2" } };
      second.spec = { ...pod.spec, containers: pod.spec?.containers ?? [], securityContext: { fsGroup: 3000 } };
      await volumes.prepare(second, signal);
      assert.equal(statSync(join(host.path, "kept")).gid, 2000);
      for (const uid of ["uid-1", "uid-2"]) await volumes.release(uid, signal);
      assert.deepEqual(await mountPointsBelow(node.rootDirectory), []);
      assert.equal(readFileSync(join(host.path, "kept"), "utf8"), "yes");
    } finally {
      rmSync(`${host.path}-link`);
    }
  },
);

test("fsGroupChangePolicy OnRootMismatch leaves alone what is the group's", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  using host = disk();
  node.bind("c", { local: { path: host.path } });
  const volumes = await node.volumes();
  const securityContext = { fsGroup: 2000, fsGroupChangePolicy: "OnRootMismatch" };
  const pod = podWith(claimed("c"), { securityContext });
  await volumes.prepare(pod, signal);
  await volumes.release("uid-1", signal);
  writeFileSync(join(host.path, "later"), "");
  chownSync(join(host.path, "later"), 0, 0);
  await volumes.prepare(pod, signal);
  assert.notEqual(statSync(join(host.path, "later")).gid, 2000);
});

test("a volume that is read-only is so for the pod, and on the host's mount", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  using host = disk();
  node.bind("c", { local: { path: host.path } });
  const volumes = await node.volumes();
  const pod = podWith(claimed("c", true), { securityContext: { fsGroup: 2000 } });
  await volumes.prepare(pod, signal);
  const { hostPath, readonly } = await mountOf(volumes, pod);
  assert.equal(readonly, true);
  assert.throws(() => writeFileSync(join(hostPath ?? "", "x"), ""), /EROFS/);
  assert.notEqual(statSync(host.path).gid, 2000);
});

test("a local volume of mode Block is a device of the container", async () => {
  await using node = new VolumeNode();
  node.bind("c", { local: { path: "/dev/null" }, volumeMode: "Block" });
  const volumes = await node.volumes();
  const container = { name: "c", volumeDevices: [{ name: "data", devicePath: "/dev/disk" }] };
  const pod = podWith(claimed("c"), { containers: [container] });
  await volumes.prepare(pod, signal);
  const devices = await volumes.devicesFor(pod, container);
  assert.deepEqual(devices, [{ containerPath: "/dev/disk", hostPath: "/dev/null", permissions: "mrw" }]);
  await assert.rejects(
    volumes.mountsFor(pod, { name: "c", volumeMounts: [{ name: "data", mountPath: "/v" }] }, [], signal),
    {
      message: /is a block device/,
    },
  );
});

const owner = { apiVersion: "v1", kind: "Pod", name: "p", uid: "uid-1", controller: true };

test("a claim that was made for the pod is the pod's alone", async () => {
  await using node = new VolumeNode();
  using host = disk();
  node.bind("p-data", { hostPath: { path: host.path } });
  const volumes = await node.volumes();
  const pod = podWith({ name: "data", ephemeral: { volumeClaimTemplate: { spec: {} } } });
  await assert.rejects(volumes.prepare(pod, signal), {
    message: /was not created for pod shop\/p \(pod is not owner\)/,
  });
  const claim = node.claims["p-data"];
  assert.ok(claim?.metadata);
  claim.metadata.ownerReferences = [owner];
  await volumes.prepare(pod, signal);
  assert.equal((await mountOf(volumes, pod)).hostPath, host.path);
});

const refused: readonly {
  readonly name: string;
  readonly change: (node: VolumeNode) => void;
  readonly code: string;
  readonly message: RegExp;
}[] = [
  {
    name: "a claim that is not there",
    change: (node) => delete node.claims["c"],
    code: "ClaimNotReady",
    message: /^MountVolume.SetUp failed for volume "data" : persistentvolumeclaim "c" not found$/,
  },
  {
    name: "a claim that is not bound",
    change: (node) => Object.assign(node.claims["c"] ?? {}, { status: { phase: "Pending" } }),
    code: "ClaimNotReady",
    message: /PVC shop\/c is not bound$/,
  },
  {
    name: "a claim that is being deleted",
    change: (node) => Object.assign(node.claims["c"]?.metadata ?? {}, { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    code: "ClaimNotReady",
    message: /PVC shop\/c is being deleted$/,
  },
  {
    name: "a volume that is bound to another claim",
    change: (node) => Object.assign(node.persistentVolumes["pv-c"]?.spec?.claimRef ?? {}, { uid: "other" }),
    code: "ClaimNotReady",
    message: /PV pv-c is not bound to PVC shop\/c/,
  },
  {
    name: "a volume of another node",
    change: (node) => {
      node.node = { metadata: { name: "edge-1", labels: { "kubernetes.io/hostname": "edge-1" } } };
      const matchExpressions = [{ key: "kubernetes.io/hostname", operator: "In", values: ["edge-2"] }];
      const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions }] } };
      Object.assign(node.persistentVolumes["pv-c"]?.spec ?? {}, { nodeAffinity });
    },
    code: "InvalidVolume",
    message: /NodeAffinity check failed: PV pv-c cannot be used on node edge-1$/,
  },
  {
    name: "a volume of a type that is not known here",
    change: (node) =>
      Object.assign(node.persistentVolumes["pv-c"] ?? {}, {
        spec: { claimRef: { uid: "claim-c" }, capacity: { storage: "1Gi" }, iscsi: {} },
      }),
    code: "VolumeNotSupported",
    message: /PersistentVolume pv-c of type iscsi is not supported on this node/,
  },
  {
    name: "a local path that is not there",
    change: (node) =>
      Object.assign(node.persistentVolumes["pv-c"]?.spec ?? {}, { hostPath: undefined, local: { path: "/nowhere/x" } }),
    code: "VolumeSourceMissing",
    message: /path "\/nowhere\/x" of the local volume does not exist/,
  },
];
for (const { name, change, code, message } of refused)
  test(`${name} is refused in a kubelet's words`, async () => {
    await using node = new VolumeNode();
    node.bind("c", { hostPath: { path: "/" } });
    change(node);
    const volumes = await node.volumes();
    await assert.rejects(volumes.prepare(podWith(claimed("c")), signal), { code, message });
  });

test("what a volume was made from is not asked for again: a pod goes on when its claim cannot be read", async () => {
  await using node = new VolumeNode();
  using host = disk();
  node.bind("c", { hostPath: { path: host.path } });
  const volumes = await node.volumes();
  const pod = podWith(claimed("c"));
  await volumes.prepare(pod, signal);
  delete node.claims["c"];
  await volumes.prepare(pod, signal);
  assert.equal((await mountOf(volumes, pod)).hostPath, host.path);
});

test("image volumes, and what else is not known, are refused clearly", async () => {
  await using node = new VolumeNode();
  const volumes = await node.volumes();
  const image = podWith({ name: "data", image: { reference: "x" } } as Volume);
  await assert.rejects(volumes.prepare(image, signal), {
    code: "VolumeNotSupported",
    message: /containerd 2\.1 or later/,
  });
  const nfs = podWith({ name: "data", nfs: { server: "192.0.2.1", path: "/" } });
  await assert.rejects(volumes.prepare(nfs, signal), { code: "VolumeNotSupported", message: /mount\.nfs is missing/ });
});
