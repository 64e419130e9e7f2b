import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import { CgroupDirectories } from "./cgroup-directories.ts";
import { parseCgroupHierarchies } from "./cgroup-hierarchies.ts";
import { CgroupManager } from "./cgroup-manager.ts";
import { SystemdSlices } from "./systemd-slices.ts";
import { cgroupPath, podCgroup } from "./cgroup-names.ts";

function pod(uid: string, resources: object = {}): Pod {
  return { metadata: { name: "p", namespace: "default", uid }, spec: { containers: [{ name: "c", resources }] } };
}

const guaranteed = { requests: { cpu: "500m", memory: "64Mi" }, limits: { cpu: "500m", memory: "64Mi" } };
const burstable = { requests: { cpu: "250m", memory: "32Mi" }, limits: { memory: "64Mi" } };

const names: { name: string; resources: object; cgroupfs: string; systemd: string }[] = [
  {
    name: "Guaranteed",
    resources: guaranteed,
    cgroupfs: "/kubepods/pod1-2",
    systemd: "/kubepods.slice/kubepods-pod1_2.slice",
  },
  {
    name: "Burstable",
    resources: burstable,
    cgroupfs: "/kubepods/burstable/pod1-2",
    systemd: "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice",
  },
  {
    name: "BestEffort",
    resources: {},
    cgroupfs: "/kubepods/besteffort/pod1-2",
    systemd: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice",
  },
];
for (const { name, resources, cgroupfs, systemd } of names)
  test(`cgroup names of a ${name} pod`, () => {
    const cgroup = podCgroup(pod("1-2", resources));
    assert.deepEqual([cgroupPath(cgroup, "cgroupfs"), cgroupPath(cgroup, "systemd")], [cgroupfs, systemd]);
  });

test("cgroup names start at cgroupRoot, and a pod's uid cannot lead elsewhere", () => {
  assert.equal(cgroupPath(podCgroup(pod("1"), "/edge-a/b"), "cgroupfs"), "/edge-a/b/kubepods/besteffort/pod1");
  assert.throws(() => podCgroup(pod("../../x")), { code: "UnsafeName" });
});

const HYBRID = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /var/chroot/sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw`;

test("finds the trees of a hybrid machine", () => {
  assert.deepEqual(parseCgroupHierarchies(HYBRID), [
    { version: 1, mountPoint: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu", "cpuacct"] },
    { version: 1, mountPoint: "/sys/fs/cgroup/systemd", controllers: ["name=systemd"] },
    { version: 2, mountPoint: "/sys/fs/cgroup/unified", controllers: [], idle: true },
  ]);
});

test("finds the one tree of a unified machine", () => {
  const mountinfo = "30 23 0:26 / /sys/fs/my\\040cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
  assert.deepEqual(parseCgroupHierarchies(mountinfo), [
    { version: 2, mountPoint: "/sys/fs/my cgroup", controllers: [] },
  ]);
  assert.deepEqual(parseCgroupHierarchies(""), []);
});

test("writes version 2's files and enables the controllers that the kernel offers", async () => {
  const root = mkdtempSync(join(tmpdir(), "kedge-cgroup2-"));
  try {
    // A fixture: plain files where the kernel would put its own.
    for (const path of ["", "kubepods", "kubepods/burstable", "kubepods/besteffort"]) {
      mkdirSync(join(root, path), { recursive: true });
      writeFileSync(join(root, path, "cgroup.controllers"), "cpuset cpu io memory hugetlb pids rdma\n");
      writeFileSync(join(root, path, "cgroup.subtree_control"), "\n");
      writeFileSync(join(root, path, "hugetlb.2MB.max"), "max\n");
      writeFileSync(join(root, path, "hugetlb.2MB.rsvd.max"), "max\n");
    }
    mkdirSync(join(root, "system.slice"));
    const manager = new CgroupManager([{ version: 2, mountPoint: root, controllers: [] }], {
      driver: "cgroupfs",
      podPidsLimit: 50,
      hugePageSizes: ["2MB"],
      memoryQos: true,
    });
    const read = (path: string) => readFileSync(join(root, path), "utf8");
    assert.deepEqual(await manager.ensureRoot({ cpu: "2", memory: "1Gi" }), []);
    assert.equal(read("kubepods/cpu.weight"), "79");
    assert.equal(read("kubepods/memory.max"), String(1024 ** 3));
    assert.equal(read("cgroup.subtree_control"), "+cpuset +cpu +io +memory +hugetlb +pids");
    assert.equal(read("kubepods/burstable/hugetlb.2MB.max"), String(2 ** 62));
    await manager.updateQos([pod("u1", guaranteed), pod("u2", burstable)]);
    assert.equal(read("kubepods/memory.min"), String(96 * 1024 ** 2), "the class above promises what those below do");
    assert.equal(read("kubepods/burstable/memory.min"), String(32 * 1024 ** 2));
    await manager.limitExisting("/system.slice", { memoryLimitBytes: 1024, pidsMax: 9 });
    assert.equal(read("system.slice/memory.max"), "1024");
    await assert.rejects(manager.limitExisting("/absent", { pidsMax: 9 }), (error) =>
      hasCode(error, "CgroupUnavailable"),
    );

    assert.equal(await manager.ensurePod(pod("u1", guaranteed)), "/kubepods/podu1");
    assert.equal(read("kubepods/podu1/cpu.max"), "50000 100000");
    assert.equal(read("kubepods/podu1/cpu.weight"), "20");
    assert.equal(read("kubepods/podu1/memory.max"), String(64 * 1024 ** 2));
    assert.equal(read("kubepods/podu1/pids.max"), "50");
    assert.equal(read("kubepods/podu1/memory.min"), String(64 * 1024 ** 2));
    await manager.ensurePod(pod("u1", guaranteed), true);
    assert.equal(read("kubepods/podu1/cpu.max"), "max 100000", "CPUs of its own are not rationed");
    assert.deepEqual(await manager.podUids(), ["u1"]);

    rmSync(join(root, "kubepods/memory.max"));
    mkdirSync(join(root, "kubepods/memory.max")); // the kernel says no
    const failures = await manager.ensureRoot({ cpu: "2", memory: "1Mi" });
    assert.deepEqual(
      failures.map(({ details }) => details),
      [{ code: "CgroupUnavailable", path: join(root, "kubepods/memory.max") }],
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});

const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
const unified = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(mountinfo)?.[1];
const memory = parseCgroupHierarchies(mountinfo).find(({ controllers }) => controllers.includes("memory"));
const noCgroupV1 =
  process.getuid?.() !== 0 ? "needs root" : memory === undefined ? "needs cgroup v1's memory controller" : false;

test("makes, limits and removes the cgroups of this machine", { skip: noCgroupV1 }, async () => {
  const cgroupRoot = `/kedge-test-${process.pid}-${Date.now()}`;
  const manager = await CgroupManager.detect({ driver: "cgroupfs", cgroupRoot, podPidsLimit: 64 });
  const mountPoint = (name: string) =>
    parseCgroupHierarchies(mountinfo).find(({ controllers }) => controllers.includes(name))?.mountPoint ?? "";
  const read = (controller: string, path: string) => readFileSync(join(mountPoint(controller), path), "utf8").trim();
  const sleeper = spawn("sleep", ["60"], { stdio: "ignore" });
  try {
    await once(sleeper, "spawn");
    await manager.ensureRoot({ cpu: "1500m", memory: "1Gi" });
    await manager.ensureRoot({ cpu: "1500m", memory: "1Gi" });
    assert.equal(read("memory", `${cgroupRoot}/kubepods/memory.limit_in_bytes`), String(1024 ** 3));
    assert.equal(read("cpu", `${cgroupRoot}/kubepods/besteffort/cpu.shares`), "2");

    const first = pod("11-22", burstable);
    const parent = await manager.ensurePod(first);
    assert.equal(parent, `${cgroupRoot}/kubepods/burstable/pod11-22`);
    await manager.updateQos([first]);
    assert.equal(read("cpu", `${cgroupRoot}/kubepods/burstable/cpu.shares`), "256");
    assert.equal(read("cpu", `${parent}/cpu.shares`), "256");
    assert.equal(read("memory", `${parent}/memory.limit_in_bytes`), String(64 * 1024 ** 2));
    assert.equal(read("pids", `${parent}/pids.max`), "64");
    assert.notEqual(read("cpuset", `${parent}/cpuset.cpus`), "", "a process can enter");
    assert.ok(existsSync(join(mountPoint("name=systemd"), parent)));
    assert.deepEqual(await manager.podUids(), ["11-22"]);
    await manager.removeIfEmpty();
    assert.ok(existsSync(join(mountPoint("memory"), parent)), "a pod is in there");

    // As the runtime does: a cgroup of its own below the pod's, with a process in it; in the idle tree, too.
    if (unified !== undefined) mkdirSync(join(unified, parent, "container"), { recursive: true });
    mkdirSync(join(mountPoint("memory"), parent, "container"));
    writeFileSync(join(mountPoint("memory"), parent, "container", "cgroup.procs"), String(sleeper.pid));
    await assert.rejects(manager.removePod("11-22"), (error) => hasCode(error, "CgroupBusy"));
    sleeper.kill("SIGKILL");
    await once(sleeper, "exit");
    await manager.removePod("11-22");
    await manager.removePod("11-22");
    assert.equal(existsSync(join(mountPoint("memory"), parent)), false);
    if (unified !== undefined) assert.equal(existsSync(join(unified, parent)), false);
    assert.deepEqual(await manager.podUids(), []);
    await manager.removeIfEmpty();
    assert.equal(existsSync(join(mountPoint("memory"), `${cgroupRoot}/kubepods`)), false, "nobody is in there");
    assert.ok(existsSync(join(mountPoint("memory"), cgroupRoot)), "the folder above is not ours to remove");
  } finally {
    if (sleeper.exitCode === null) sleeper.kill("SIGKILL");
    await manager.removeAll();
  }
  assert.equal(existsSync(join(mountPoint("memory"), cgroupRoot)), false);
});

const noCgroupV2 = process.getuid?.() !== 0 ? "needs root" : unified === undefined ? "needs a cgroup2 mount" : false;

test("makes and removes cgroups in a real version 2 tree", { skip: noCgroupV2 }, async () => {
  const mountPoint = unified ?? "";
  const directories = new CgroupDirectories([{ version: 2, mountPoint, controllers: [] }]);
  const path = `/kedge-test-${process.pid}-${Date.now()}`;
  const sleeper = spawn("sleep", ["60"], { stdio: "ignore" });
  try {
    await once(sleeper, "spawn");
    await directories.ensure(`${path}/kubepods/podu1`);
    await directories.ensure(`${path}/kubepods/podu1`);
    mkdirSync(join(mountPoint, path, "kubepods/podu1/container"));
    writeFileSync(join(mountPoint, path, "kubepods/podu1/container/cgroup.procs"), String(sleeper.pid));
    assert.deepEqual(await directories.children(`${path}/kubepods`), ["podu1"]);
    await assert.rejects(directories.remove(path), (error) => hasCode(error, "CgroupBusy"));
  } finally {
    sleeper.kill("SIGKILL");
    await once(sleeper, "exit");
    await directories.remove(path);
  }
  assert.equal(existsSync(join(mountPoint, path)), false);
});

test("has systemd make slices, with every value", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kedge-systemd-"));
  try {
    const log = join(directory, "log");
    const systemctl = join(directory, "systemctl");
    writeFileSync(systemctl, `#!/bin/sh\nprintf '%s\\n' "$*" >> ${log}\ncase "$*" in *besteffort*) exit 5;; esac\n`, {
      mode: 0o755,
    });
    const mountPoint = join(directory, "cgroup");
    for (const path of ["", "kubepods.slice", "kubepods.slice/kubepods-pod1_2.slice"]) {
      mkdirSync(join(mountPoint, path), { recursive: true });
      writeFileSync(join(mountPoint, path, "cgroup.controllers"), "cpu memory hugetlb pids\n");
      writeFileSync(join(mountPoint, path, "cgroup.subtree_control"), "cpu memory pids\n");
    }
    const hugePages = join(mountPoint, "kubepods.slice/kubepods-pod1_2.slice/hugetlb.2MB.max");
    writeFileSync(hugePages, "max");
    const hierarchies = [{ version: 2 as const, mountPoint, controllers: [] }];
    const slices = new SystemdSlices(hierarchies, systemctl);
    const manager = new CgroupManager(hierarchies, { driver: "systemd", hugePageSizes: ["2MB", "1GB"] }, slices);
    const parent = await manager.ensurePod(pod("1-2", guaranteed));
    assert.equal(readFileSync(hugePages, "utf8"), "0", "systemd has no property for them");
    const root = readFileSync(join(mountPoint, "kubepods.slice/cgroup.subtree_control"), "utf8");
    assert.equal(root, "+hugetlb", "systemd does not hand down what it does not know");
    rmSync(mountPoint, { recursive: true });
    await manager.removePod("1-2");
    assert.equal(parent, "/kubepods.slice/kubepods-pod1_2.slice");
    const accounting = "CPUAccounting=yes MemoryAccounting=yes TasksAccounting=yes";
    const values = "CPUWeight=20 CPUQuota=50.00% CPUQuotaPeriodSec=100000us MemoryMax=67108864";
    assert.deepEqual(readFileSync(log, "utf8").trim().split("\n"), [
      "start -- kubepods-pod1_2.slice",
      `set-property --runtime -- kubepods-pod1_2.slice ${accounting} ${values}`,
      "stop -- kubepods-pod1_2.slice",
      "stop -- kubepods-burstable-pod1_2.slice",
      "stop -- kubepods-besteffort-pod1_2.slice",
    ]);
    const missing = new SystemdSlices(hierarchies, join(directory, "absent"));
    await assert.rejects(missing.ensure("/kubepods.slice"), (error) => hasCode(error, "CgroupNotSupported"));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("says what is wrong when the cgroups cannot be written", { skip: noCgroupV1 }, async () => {
  const manager = new CgroupManager([{ version: 2, mountPoint: "/proc/kedge-missing", controllers: [] }], {
    driver: "cgroupfs",
  });
  await assert.rejects(manager.ensureRoot({}), (error) => hasCode(error, "CgroupUnavailable"));
});
