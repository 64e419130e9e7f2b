import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod, Volume } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import { nestedMountPoints } from "./nested-mount-points.ts";
import { mountPointsBelow, mountTmpfs } from "./run-mount.ts";
import { base64, mountOf, needsRoot, podWith, root, signal, VolumeNode } from "./volume-node.test-data.ts";

test("emptyDir: a directory for everybody that outlives a restart of the agent", async () => {
  await using node = new VolumeNode();
  const pod = podWith({ name: "data", emptyDir: {} }, { securityContext: root ? { fsGroup: 2000 } : {} });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const directory = node.path("kubernetes.io~empty-dir", "data");
  const { mode, gid } = statSync(directory);
  assert.equal(mode & 0o777, 0o777);
  if (root) assert.deepEqual([gid, mode & 0o2000], [2000, 0o2000]);
  assert.deepEqual(await mountOf(volumes, pod), {
    containerPath: "/v",
    hostPath: directory,
    readonly: false,
    propagation: 0,
  });
  writeFileSync(join(directory, "kept"), "1");
  chmodSync(directory, 0o700); // as a database does with its directory
  await volumes[Symbol.asyncDispose]();
  const restarted = await node.volumes();
  await restarted.prepare(pod, signal);
  assert.ok(existsSync(join(directory, "kept")));
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.deepEqual(await restarted.podUids(), ["uid-1"]);
  await restarted.release("uid-1", signal);
  await restarted.release("uid-1", signal);
  assert.deepEqual(await restarted.podUids(), []);
});

test("emptyDir in memory is a tmpfs of the limit's size, mounted once", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  const pod = podWith({ name: "mem", emptyDir: { medium: "Memory", sizeLimit: "8Mi" } });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  await volumes.prepare(pod, signal);
  const directory = node.path("kubernetes.io~empty-dir", "mem");
  assert.deepEqual(await mountPointsBelow(node.rootDirectory), [directory]);
  const [line] = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((mount) => mount.includes(directory));
  assert.match(line ?? "", /^tmpfs .* tmpfs rw,.*size=8192k/);
  await volumes.release("uid-1", signal);
  assert.deepEqual(await mountPointsBelow(node.rootDirectory), []);
  assert.equal(existsSync(directory), false);
});

test("emptyDir: one that a crash left half made is made anew", async () => {
  await using node = new VolumeNode();
  const directory = node.path("kubernetes.io~empty-dir", "data");
  mkdirSync(`${directory}~unfinished/torn`, { recursive: true, mode: 0o700 });
  const volumes = await node.volumes();
  await volumes.prepare(podWith({ name: "data", emptyDir: {} }), signal);
  assert.deepEqual(readdirSync(join(directory, "..")), ["data"]);
  assert.equal(statSync(directory).mode & 0o777, 0o777);
});

test("configMap: items, modes and binary data; a change reaches the files", async () => {
  await using node = new VolumeNode();
  node.configMaps["settings"] = { data: { a: "1", b: "2" }, binaryData: { bin: base64("\u0000x") } };
  const items = [
    { key: "a", path: "conf/a.txt", mode: 0o600 },
    { key: "bin", path: "bin" },
  ];
  const pod = podWith({ name: "conf", configMap: { name: "settings", items, defaultMode: 0o444 } });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const directory = node.path("kubernetes.io~configmap", "conf");
  assert.equal(readFileSync(join(directory, "conf/a.txt"), "utf8"), "1");
  assert.equal(readFileSync(join(directory, "bin"), "utf8"), "\u0000x");
  assert.equal(statSync(join(directory, "conf/a.txt")).mode & 0o777, 0o600);
  assert.equal(statSync(join(directory, "bin")).mode & 0o777, 0o444);
  assert.equal(existsSync(join(directory, "b")), false);
  assert.equal((await mountOf(volumes, pod)).readonly, true);

  const before = readlinkSync(join(directory, "..data"));
  await volumes.refresh(pod, signal);
  assert.equal(readlinkSync(join(directory, "..data")), before);
  node.configMaps["settings"] = { data: { a: "new" }, binaryData: { bin: "" } };
  await volumes.refresh(pod, signal);
  assert.equal(readFileSync(join(directory, "conf/a.txt"), "utf8"), "new");

  delete node.configMaps["settings"];
  await volumes.refresh(pod, signal);
  await volumes.prepare(pod, signal);
  assert.equal(readFileSync(join(directory, "conf/a.txt"), "utf8"), "new", "a running pod keeps what it has");
});

test("a full disk: the volume keeps what it has, nothing piles up, and it heals", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  await mountTmpfs(node.rootDirectory, ["size=512k"], signal);
  const pod = podWith({ name: "conf", configMap: { name: "big" } });
  const volumes = await node.volumes();
  const directory = node.path("kubernetes.io~configmap", "conf");
  node.configMaps["big"] = { data: { k: "1".repeat(300_000) } };
  await volumes.prepare(pod, signal);
  node.configMaps["big"] = { data: { k: "2".repeat(300_000) } };
  for (let tries = 0; tries < 3; tries += 1)
    await assert.rejects(volumes.prepare(pod, signal), /MountVolume\.SetUp failed for volume "conf" : ENOSPC/);
  assert.equal(readFileSync(join(directory, "k"), "utf8")[0], "1");
  assert.equal(readdirSync(directory).length, 3);
  node.configMaps["big"] = { data: { k: "3" } };
  await volumes.prepare(pod, signal);
  assert.equal(readFileSync(join(directory, "k"), "utf8"), "3");
});

const failures: { name: string; volume: Volume; code: string; message: RegExp }[] = [
  {
    name: "W-06b: a missing ConfigMap",
    volume: { name: "v", configMap: { name: "absent" } },
    code: "VolumeSourceMissing",
    message: /^MountVolume\.SetUp failed for volume "v" : configmap "absent" not found$/,
  },
  {
    name: "W-06b: a missing Secret",
    volume: { name: "v", secret: { secretName: "absent" } },
    code: "VolumeSourceMissing",
    message: /: secret "absent" not found$/,
  },
  {
    name: "a missing key",
    volume: { name: "v", configMap: { name: "empty", items: [{ key: "k", path: "p" }] } },
    code: "VolumeSourceMissing",
    message: /: configmap references non-existent config key: k$/,
  },
  {
    name: "a path that leads out",
    volume: { name: "v", configMap: { name: "full", items: [{ key: "k", path: "../../etc/cron.d/x" }] } },
    code: "InvalidVolume",
    message: /invalid path/,
  },
  {
    name: "a type that no node of ours can make",
    volume: { name: "v", iscsi: { targetPortal: "192.0.2.1", iqn: "iqn.x", lun: 0 } },
    code: "VolumeNotSupported",
    message: /volumes of type iscsi are not supported on this node/,
  },
  {
    name: "a hostPath that is no directory",
    volume: { name: "v", hostPath: { path: "/proc/self/status", type: "Directory" } },
    code: "HostPathTypeMismatch",
    message: /: hostPath type check failed: \/proc\/self\/status is not a directory$/,
  },
  {
    name: "a hostPath with dots",
    volume: { name: "v", hostPath: { path: "/tmp/../etc" } },
    code: "InvalidVolume",
    message: /must not contain/,
  },
  {
    name: "a volume name that leads elsewhere",
    volume: { name: "../../x", emptyDir: {} },
    code: "InvalidVolume",
    message: /cannot be used as a directory name/,
  },
];

for (const { name, volume, code, message } of failures)
  test(`refuses ${name}`, async () => {
    await using node = new VolumeNode();
    node.configMaps["empty"] = {};
    node.configMaps["full"] = { data: { k: "v" } };
    const volumes = await node.volumes();
    await assert.rejects(volumes.prepare(podWith(volume), signal), (error: unknown) => {
      assert.ok(hasCode(error, code), String(error));
      assert.match(error.message, message);
      return true;
    });
  });

test("refuses recursive read-only mounts rather than leaving submounts writable", async () => {
  await using node = new VolumeNode();
  const volumes = await node.volumes();
  const mount = (recursiveReadOnly: string) =>
    mountOf(volumes, podWith({ name: "v", hostPath: { path: "/tmp" } }, {}, { readOnly: true, recursiveReadOnly }));
  await assert.rejects(mount("Enabled"), (error) => hasCode(error, "CreateContainerConfigError"));
  assert.equal((await mount("IfPossible")).readonly, true);
});

test("optional sources may be missing and may come later", async () => {
  await using node = new VolumeNode();
  const pod = podWith({ name: "conf", configMap: { name: "later", optional: true } });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const directory = node.path("kubernetes.io~configmap", "conf");
  assert.ok(existsSync(directory));
  node.configMaps["later"] = { data: { k: "here" } };
  await volumes.refresh(pod, signal);
  assert.equal(readFileSync(join(directory, "k"), "utf8"), "here");
});

test("removing a pod never removes what is mounted in it", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  const host = join(node.rootDirectory, "host");
  mkdirSync(join(host, "sub"), { recursive: true });
  writeFileSync(join(host, "sub/precious"), "x");
  const pod = podWith({ name: "h", hostPath: { path: host } }, {}, { subPath: "sub" });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  await mountOf(volumes, pod);
  await volumes.release("uid-1", signal);
  assert.equal(readFileSync(join(host, "sub/precious"), "utf8"), "x");
  await assert.rejects(volumes.release("../host", signal), { code: "UnsafeName" });
  assert.ok(existsSync(join(host, "sub/precious")));
});

test("a volume inside a volume gets its mount point", async () => {
  await using node = new VolumeNode();
  node.configMaps["settings"] = { data: { a: "1" } };
  const volumeMounts = [
    { name: "conf", mountPath: "/etc/app" },
    { name: "data", mountPath: "/etc/app/data/" },
  ];
  const pod: Pod = {
    metadata: { name: "p", namespace: "shop", uid: "uid-1" },
    spec: {
      containers: [{ name: "c", volumeMounts }],
      volumes: [
        { name: "conf", configMap: { name: "settings" } },
        { name: "data", emptyDir: {} },
        { name: "unused", secret: { secretName: "absent" } },
      ],
    },
  };
  assert.deepEqual(nestedMountPoints(pod, "conf"), ["data"]);
  assert.deepEqual(nestedMountPoints(pod, "data"), []);
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  node.configMaps["settings"] = { data: { a: "2" } };
  await volumes.refresh(pod, signal);
  assert.ok(statSync(node.path("kubernetes.io~configmap", "conf", "data")).isDirectory());
});

test("secrets live in memory, belong to fsGroup and are gone with the pod", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  node.secrets["login"] = { data: { pass: base64("s3cret") } };
  const pod = podWith(
    { name: "s", secret: { secretName: "login", defaultMode: 0o400 } },
    {
      securityContext: { fsGroup: 3000 },
    },
  );
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const directory = node.path("kubernetes.io~secret", "s");
  assert.deepEqual(await mountPointsBelow(node.rootDirectory), [directory]);
  assert.equal(readFileSync(join(directory, "pass"), "utf8"), "s3cret");
  const { mode, gid } = statSync(join(directory, "pass"));
  assert.deepEqual([mode & 0o777, gid], [0o440, 3000]);
  assert.deepEqual([statSync(directory).mode & 0o7777, statSync(directory).gid], [0o3777, 3000]);
  await volumes.release("uid-1", signal);
  assert.equal(existsSync(directory), false);
});
