import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ConfigMap, Pod, Secret, Volume, VolumeMount } from "@kedge/kube";
import { type Clock, hasCode, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "../../edge-messages.ts";
import { nestedMountPoints } from "./nested-mount-points.ts";
import { mountPointsBelow, unmount } from "./run-mount.ts";
import { VolumeManager } from "./volume-manager.ts";

const signal = new AbortController().signal;
const root = process.getuid?.() === 0;
const needsRoot = root ? false : "mounting needs root";
const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A node's volumes and what the store holds; everything is unmounted and removed at the end. */
class Node implements AsyncDisposable {
  readonly rootDirectory = mkdtempSync(join(tmpdir(), "kedge-volumes-"));
  readonly bus = new MessageBus<EdgeMessages, EdgeNotices>();
  readonly configMaps: Record<string, ConfigMap> = {};
  readonly secrets: Record<string, Secret> = {};
  offline = false;
  tokensIssued = 0;
  nowMs = Date.parse("2026-01-01T00:00:00Z");
  readonly clock: Clock = { ...systemClock, now: () => this.nowMs };

  constructor() {
    this.bus.handle("meta/getConfigMap", ({ name }) => this.configMaps[name]);
    this.bus.handle("meta/getSecret", ({ name }) => this.secrets[name]);
    this.bus.handle("meta/requestToken", ({ namespace, serviceAccount, token }) => {
      if (this.offline) throw new Error("the cloud is not connected");
      this.tokensIssued += 1;
      const endsMs = this.nowMs + Number(token.spec.expirationSeconds) * 1000;
      const text = `${namespace}/${serviceAccount}/${token.spec.audiences.join()}/${this.tokensIssued}`;
      return { ...token, status: { token: text, expirationTimestamp: new Date(endsMs).toISOString() } };
    });
  }

  volumes(): Promise<VolumeManager> {
    const allocatable = () => ({ cpu: "2", memory: "1Gi" });
    const deps = { bus: this.bus, logger: silentLogger, clock: this.clock };
    return VolumeManager.open({ rootDirectory: this.rootDirectory, allocatable }, deps);
  }

  path(volume: string, ...rest: string[]): string {
    return join(this.rootDirectory, "pods/uid-1/volumes", volume, ...rest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mounted of await mountPointsBelow(this.rootDirectory)) await unmount(mounted, signal);
    rmSync(this.rootDirectory, { recursive: true, force: true });
  }
}

function podWith(volume: Volume, spec: Partial<NonNullable<Pod["spec"]>> = {}, mount: Partial<VolumeMount> = {}): Pod {
  const volumeMounts = [{ name: volume.name, mountPath: "/v", ...mount }];
  return {
    metadata: { name: "p", namespace: "shop", uid: "uid-1", labels: { app: "web" } },
    spec: { containers: [{ name: "c", volumeMounts }], volumes: [volume], serviceAccountName: "runner", ...spec },
  };
}

async function mountOf(volumes: VolumeManager, pod: Pod, environment: { name: string; value: string }[] = []) {
  const [container] = pod.spec?.containers ?? [];
  assert.ok(container);
  const [mount] = await volumes.mountsFor(pod, container, environment, signal);
  assert.ok(mount);
  return mount;
}

test("emptyDir: a directory for everybody that outlives a restart of the agent", async () => {
  await using node = new Node();
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
  const restarted = await node.volumes();
  await restarted.prepare(pod, signal);
  assert.ok(existsSync(join(directory, "kept")));
  assert.deepEqual(await restarted.podUids(), ["uid-1"]);
  await restarted.release("uid-1", signal);
  await restarted.release("uid-1", signal);
  assert.deepEqual(await restarted.podUids(), []);
});

test("emptyDir in memory is a tmpfs of the limit's size, mounted once", { skip: needsRoot }, async () => {
  await using node = new Node();
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

test("configMap: items, modes and binary data; a change reaches the files", async () => {
  await using node = new Node();
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
    name: "a claim",
    volume: { name: "v", persistentVolumeClaim: { claimName: "c" } },
    code: "VolumeNotSupported",
    message: /volumes of type persistentVolumeClaim are not supported yet on this node/,
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
    await using node = new Node();
    node.configMaps["empty"] = {};
    node.configMaps["full"] = { data: { k: "v" } };
    const volumes = await node.volumes();
    await assert.rejects(volumes.prepare(podWith(volume), signal), (error: unknown) => {
      assert.ok(hasCode(error, code), String(error));
      assert.match(error.message, message);
      return true;
    });
  });

test("optional sources may be missing and may come later", async () => {
  await using node = new Node();
  const pod = podWith({ name: "conf", configMap: { name: "later", optional: true } });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const directory = node.path("kubernetes.io~configmap", "conf");
  assert.ok(existsSync(directory));
  node.configMaps["later"] = { data: { k: "here" } };
  await volumes.refresh(pod, signal);
  assert.equal(readFileSync(join(directory, "k"), "utf8"), "here");
});

test("secrets live in memory, belong to fsGroup and are gone with the pod", { skip: needsRoot }, async () => {
  await using node = new Node();
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
  await volumes.release("uid-1", signal);
  assert.equal(existsSync(directory), false);
});

test("projected: what a pod gets of its service account, with labels beside it", { skip: needsRoot }, async () => {
  await using node = new Node();
  node.configMaps["kube-root-ca.crt"] = { data: { "ca.crt": "PEM" } };
  const field = (path: string, fieldPath: string) => ({ path, fieldRef: { fieldPath } });
  const pod = podWith({
    name: "kube-api-access-x",
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [field("namespace", "metadata.namespace"), field("labels", "metadata.labels")] } },
      ],
    },
  });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const read = (file: string) => readFileSync(node.path("kubernetes.io~projected", "kube-api-access-x", file), "utf8");
  assert.equal(read("token"), "shop/runner//1");
  assert.equal(read("ca.crt"), "PEM");
  assert.equal(read("namespace"), "shop");
  assert.equal(read("labels"), 'app="web"');

  const relabelled = { ...pod, metadata: { ...pod.metadata, labels: { app: "shop" } } };
  await volumes.refresh(relabelled, signal);
  assert.equal(read("labels"), 'app="shop"');
  assert.equal(node.tokensIssued, 1, "a fresh token is not asked for again");
});

test(
  "W-16: a token is renewed at 80 % of its life and kept until its successor is here",
  { skip: needsRoot },
  async () => {
    await using node = new Node();
    const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 1000, audience: "api" } }];
    const pod = podWith(
      { name: "t", projected: { sources } },
      {
        securityContext: { runAsUser: 1234 },
      },
    );
    const volumes = await node.volumes();
    const file = node.path("kubernetes.io~projected", "t", "token");
    const token = () => readFileSync(file, "utf8");
    await volumes.prepare(pod, signal);
    assert.deepEqual([statSync(file).mode & 0o777, statSync(file).uid], [0o600, 1234]);

    node.nowMs += 799_000;
    await volumes.refresh(pod, signal);
    assert.equal(token(), "shop/runner/api/1");
    node.nowMs += 2_000;
    node.offline = true;
    await volumes.refresh(pod, signal);
    assert.equal(token(), "shop/runner/api/1", "offline: the old one stays");
    node.nowMs += 10_000_000;
    const restarted = await node.volumes();
    await restarted.prepare(pod, signal);
    assert.equal(token(), "shop/runner/api/1", "also past its end, also after a restart");
    node.offline = false;
    await restarted.refresh(pod, signal);
    assert.equal(token(), "shop/runner/api/2");
  },
);

const hostPaths: { type: string; existing?: "file" | "directory"; ok: boolean }[] = [
  { type: "", ok: true },
  { type: "DirectoryOrCreate", ok: true },
  { type: "DirectoryOrCreate", existing: "directory", ok: true },
  { type: "DirectoryOrCreate", existing: "file", ok: false },
  { type: "Directory", ok: false },
  { type: "Directory", existing: "directory", ok: true },
  { type: "FileOrCreate", ok: true },
  { type: "File", existing: "directory", ok: false },
  { type: "File", existing: "file", ok: true },
  { type: "Socket", existing: "file", ok: false },
  { type: "CharDevice", existing: "file", ok: false },
  { type: "BlockDevice", existing: "file", ok: false },
  { type: "Nonsense", ok: false },
];
for (const { type, existing, ok } of hostPaths)
  test(`hostPath of type "${type}" on ${existing ?? "nothing"} ${ok ? "mounts" : "is refused"}`, async () => {
    await using node = new Node();
    const path = join(node.rootDirectory, "host");
    if (existing === "file") writeFileSync(path, "");
    if (existing === "directory") mkdirSync(path);
    const pod = podWith(
      { name: "h", hostPath: { path, type } },
      {},
      { readOnly: true, mountPropagation: "HostToContainer" },
    );
    const volumes = await node.volumes();
    if (!ok) {
      await assert.rejects(volumes.prepare(pod, signal), (error) => hasCode(error, "HostPathTypeMismatch"));
      return;
    }
    await volumes.prepare(pod, signal);
    assert.deepEqual(await mountOf(volumes, pod), {
      containerPath: "/v",
      hostPath: path,
      readonly: true,
      propagation: 1,
    });
    await volumes.release("uid-1", signal);
    if (type === "DirectoryOrCreate" && existing === undefined) assert.ok(lstatSync(path).isDirectory(), "stays");
  });

test("subPath: a part of the volume is bound, made if missing, and may be expanded", { skip: needsRoot }, async () => {
  await using node = new Node();
  const pod = podWith({ name: "data", emptyDir: {} }, {}, { subPathExpr: "logs/$(NAME)" });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const environment = [{ name: "NAME", value: "web" }];
  const { hostPath } = await mountOf(volumes, pod, environment);
  assert.equal(hostPath, join(node.rootDirectory, "pods/uid-1/volume-subpaths/data/c/0"));
  const inside = node.path("kubernetes.io~empty-dir", "data", "logs/web");
  writeFileSync(join(inside, "file"), "x");
  assert.equal(readFileSync(join(hostPath ?? "", "file"), "utf8"), "x");
  assert.equal(statSync(inside).mode & 0o777, 0o777, "as wide as the volume");

  await mountOf(volumes, pod, environment); // the container's next start
  assert.equal((await mountPointsBelow(node.rootDirectory)).length, 1);
  await volumes.release("uid-1", signal);
  assert.deepEqual(await mountPointsBelow(node.rootDirectory), []);
  await assert.rejects(mountOf(volumes, pod), (error) => hasCode(error, "CreateContainerConfigError"));
});

test("subPath: one file of a ConfigMap", { skip: needsRoot }, async () => {
  await using node = new Node();
  node.configMaps["settings"] = { data: { "a.conf": "1" } };
  const pod = podWith({ name: "conf", configMap: { name: "settings" } }, {}, { subPath: "a.conf" });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const { hostPath } = await mountOf(volumes, pod);
  assert.equal(readFileSync(hostPath ?? "", "utf8"), "1");
});

for (const subPath of ["../x", "/etc", "a/../../b"])
  test(`subPath ${subPath} is refused`, async () => {
    await using node = new Node();
    const pod = podWith({ name: "data", emptyDir: {} }, {}, { subPath });
    const volumes = await node.volumes();
    await volumes.prepare(pod, signal);
    await assert.rejects(mountOf(volumes, pod), (error) => hasCode(error, "CreateContainerConfigError"));
  });

test("subPath: a link that a container left in its volume does not lead to the host", { skip: needsRoot }, async () => {
  await using node = new Node();
  const pod = podWith({ name: "data", emptyDir: {} }, {}, { subPath: "evil/passwd" });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  symlinkSync("/etc", node.path("kubernetes.io~empty-dir", "data", "evil"));
  await assert.rejects(mountOf(volumes, pod), /^ContainerConfigError: failed to prepare subPath/);
  assert.deepEqual(await mountPointsBelow(node.rootDirectory), []);
});

test("removing a pod never removes what is mounted in it", { skip: needsRoot }, async () => {
  await using node = new Node();
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
  await using node = new Node();
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
