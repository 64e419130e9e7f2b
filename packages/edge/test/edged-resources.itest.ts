import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod, PodSpec, ResourceRequirements } from "@kedge/kube";
import { systemClock } from "@kedge/runtime";
import { askPodResources, TEST_IMAGE, TestContainerd, TestDevicePlugin } from "@kedge/testing";
import { CPU_MANAGER_OFF } from "../src/edged/cpus/cpu-manager-config.ts";
import { parseCpuSet } from "../src/edged/cpus/cpu-set.ts";
import { readCpuTopology } from "../src/edged/cpus/cpu-topology.ts";
import { parseCgroupHierarchies } from "../src/edged/resources/cgroup-hierarchies.ts";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const MIB = 1024 ** 2;
const hierarchies = parseCgroupHierarchies(readFileSync("/proc/self/mountinfo", "utf8"));
const isV1 = hierarchies[0]?.version === 1;
const skip = TestContainerd.missing() || (isV1 ? false : "reads cgroup v1's files");
const options = { skip, timeout: 90_000 };

/** A pod's cgroup file, or with `container` that of its container. */
function cgroupFile(edged: TestEdged, controller: string, path: string, file: string): string {
  const mountPoint = hierarchies.find(({ controllers }) => controllers.includes(controller))?.mountPoint ?? "";
  return readFileSync(join(mountPoint, edged.config.cgroupRoot, "kubepods", path, file), "utf8").trim();
}

function idOf(pod: Pod | undefined, name = "app"): string {
  const status = pod?.status?.containerStatuses?.find((one) => one.name === name);
  return status?.containerID?.replace("containerd://", "") ?? "";
}

function withResources(name: string, resources: ResourceRequirements, spec: Partial<PodSpec> = {}): Pod {
  return podOf(name, SERVE, {
    containers: [{ name: "app", image: TEST_IMAGE, command: ["sh", "-c", SERVE], resources }],
    ...spec,
  });
}

test("the kernel has what a kubelet would have told it, for pods and containers", options, async () => {
  await using containerd = await TestContainerd.start();
  await using edged = await startTestEdged(containerd, { podPidsLimit: 77 });
  const { meta } = edged;
  const limits = { cpu: "500m", memory: "64Mi" };
  meta.apply(withResources("guaranteed", { requests: limits, limits }));
  meta.apply(withResources("burstable", { requests: { cpu: "250m", memory: "32Mi" }, limits: { memory: "48Mi" } }));
  meta.apply(withResources("best-effort", {}));
  meta.apply(withResources("pod-level", {}, { resources: { requests: { cpu: "100m" }, limits } }));
  const [guaranteed, burstable, bestEffort, podLevel] = await Promise.all(
    ["guaranteed", "burstable", "best-effort", "pod-level"].map((name) => meta.untilReady(name)),
  );
  const read = (pod: Pod | undefined, parent: string, controller: string, file: string, container = false) => {
    const path = join(parent, `pod${pod?.metadata?.uid}`, container ? idOf(pod) : "");
    return cgroupFile(edged, controller, path, file);
  };
  const values = (pod: Pod | undefined, parent: string, container: boolean) => ({
    shares: read(pod, parent, "cpu", "cpu.shares", container),
    quota: read(pod, parent, "cpu", "cpu.cfs_quota_us", container),
    memory: Number(read(pod, parent, "memory", "memory.limit_in_bytes", container)),
    pids: read(pod, parent, "pids", "pids.max", container),
  });
  const unlimited = Number(cgroupFile(edged, "memory", "besteffort", "memory.limit_in_bytes"));
  assert.deepEqual(
    [values(guaranteed, "", false), values(guaranteed, "", true)],
    [
      { shares: "512", quota: "50000", memory: 64 * MIB, pids: "77" },
      { shares: "512", quota: "50000", memory: 64 * MIB, pids: "max" },
    ],
  );
  assert.deepEqual(
    [values(burstable, "burstable", false), values(burstable, "burstable", true)],
    [
      { shares: "256", quota: "-1", memory: 48 * MIB, pids: "77" },
      { shares: "256", quota: "-1", memory: 48 * MIB, pids: "max" },
    ],
  );
  assert.deepEqual(
    [values(bestEffort, "besteffort", false), values(bestEffort, "besteffort", true)],
    [
      { shares: "2", quota: "-1", memory: unlimited, pids: "77" },
      { shares: "2", quota: "-1", memory: unlimited, pids: "max" },
    ],
  );
  assert.deepEqual(values(podLevel, "burstable", false), {
    shares: "102",
    quota: "50000",
    memory: 64 * MIB,
    pids: "77",
  });
  assert.equal(cgroupFile(edged, "cpu", "burstable", "cpu.shares"), "358");
  if (hierarchies.some(({ controllers }) => controllers.includes("memory"))) {
    const swap = read(guaranteed, "", "memory", "memory.memsw.limit_in_bytes", true);
    assert.equal(Number(swap), 64 * MIB, "no swap beyond its memory");
  }
});

test("a pod gets devices of a plugin, and its status shows how they are", options, async () => {
  await using containerd = await TestContainerd.start();
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  const directory = join(edged.config.rootDirectory, "device-plugins");
  const resource = "example.com/null";
  await using plugin = await TestDevicePlugin.start(
    {
      directory,
      resource,
      allocate: (ids) => ({
        envs: { DEVICES: ids.join(",") },
        devices: [{ containerPath: "/dev/given", hostPath: "/dev/null", permissions: "rw" }],
        mounts: [{ containerPath: "/given", hostPath: directory, readOnly: true }],
      }),
    },
    ["n0"],
  );
  const resources = { limits: { [resource]: "1" }, requests: { [resource]: "1" } };
  const script = `test -c /dev/given && test -e /given && echo "$DEVICES" > /dev/termination-log && ${SERVE}`;
  const command = ["sh", "-c", script];
  meta.apply(podOf("uses", "", { containers: [{ name: "app", image: TEST_IMAGE, command, resources }] }));
  await meta.untilReady("uses");
  const health = () => meta.get("uses")?.status?.containerStatuses?.[0]?.allocatedResourcesStatus;
  assert.deepEqual(health(), [{ name: resource, resources: [{ resourceID: "n0", health: "Healthy" }] }]);

  const asked = await askPodResources(join(edged.config.rootDirectory, "pod-resources/kubelet.sock"));
  assert.deepEqual(asked, [
    { name: "uses", namespace: "default", containers: [{ name: "app", devices: [`${resource} n0`], cpus: [] }] },
  ]);

  meta.apply(podOf("too-late", SERVE, { containers: [{ name: "app", image: TEST_IMAGE, resources }] }));
  const late = await meta.untilPhase("too-late", "Failed");
  assert.deepEqual(
    [late.status?.reason, late.status?.message],
    [
      "UnexpectedAdmissionError",
      "Pod was rejected: Allocate failed due to requested number of devices unavailable for example.com/null. Requested: 1, Available: 0, which is unexpected",
    ],
  );

  plugin.set({ n0: { healthy: false } });
  await meta.until(() => health()?.[0]?.resources?.[0]?.health === "Unhealthy");
  await edged.restart();
  assert.equal(meta.get("uses")?.status?.phase, "Running", "its container runs on, whatever becomes of the plugin");
  assert.equal(meta.get("uses")?.status?.containerStatuses?.[0]?.restartCount, 0);
});

test("critical pods find room; whoever was there before a restart of the agent stays", options, async () => {
  await using containerd = await TestContainerd.start();
  const node = { allocatable: () => ({ cpu: "1", memory: "4Gi", pods: "9" }) };
  await using edged = await startTestEdged(containerd, { node });
  const { meta } = edged;
  meta.apply(withResources("small", { requests: { cpu: "300m" } }));
  meta.apply(withResources("large", { requests: { cpu: "600m" } }));
  await Promise.all([meta.untilReady("small"), meta.untilReady("large")]);
  meta.apply(withResources("critical", { requests: { cpu: "500m" } }, { priority: 2_000_000_000 }));
  const large = await meta.untilPhase("large", "Failed");
  assert.deepEqual(
    [large.status?.reason, large.status?.message],
    ["Preempting", "Preempted in order to admit critical pod"],
  );
  const disruption = large.status?.conditions?.find(({ type }) => type === "DisruptionTarget");
  assert.deepEqual(
    [disruption?.reason, disruption?.message],
    ["TerminationByKubelet", "Pod was preempted by Kubelet to accommodate a critical pod."],
  );
  await meta.untilReady("critical");

  await edged.stop();
  const before = idOf(meta.get("small"));
  meta.apply(withResources("pushy", { requests: { cpu: "400m" } }, { priority: 1000 }));
  await edged.restart();
  const pushy = await meta.untilPhase("pushy", "Failed");
  assert.equal(pushy.status?.reason, "OutOfcpu");
  assert.equal(idOf(meta.get("small")), before);
});

test("a container has its CPUs for itself, and others are kept off them while they run", options, async () => {
  const cpus = readCpuTopology().cpus;
  if (cpus.size < 2) return;
  await using containerd = await TestContainerd.start();
  const reserved = new Set([Math.min(...cpus)]);
  const cpuManager = { ...CPU_MANAGER_OFF, policy: "static" as const, reserved, reservedMilli: 1000 };
  await using edged = await startTestEdged(containerd, { cpuManager });
  const { meta } = edged;
  meta.apply(withResources("shares", { requests: { cpu: "100m" } }));
  const shares = await meta.untilReady("shares");
  const limits = { cpu: "1", memory: "64Mi" };
  meta.apply(withResources("alone", { requests: limits, limits }));
  const alone = await meta.untilReady("alone");
  const parent = `pod${alone.metadata?.uid}`;
  const own = cgroupFile(edged, "cpuset", join(parent, idOf(alone)), "cpuset.cpus");
  assert.equal(parseCpuSet(own).size, 1);
  assert.equal(parseCpuSet(own).has(Math.min(...cpus)), false);
  assert.equal(cgroupFile(edged, "cpu", parent, "cpu.cfs_quota_us"), "-1", "not rationed");
  assert.equal(cgroupFile(edged, "cpu", join(parent, idOf(alone)), "cpu.cfs_quota_us"), "-1");
  const others = () =>
    parseCpuSet(cgroupFile(edged, "cpuset", `burstable/pod${shares.metadata?.uid}/${idOf(shares)}`, "cpuset.cpus"));
  const [mine = -1] = parseCpuSet(own);
  const deadline = AbortSignal.timeout(10_000);
  while (others().has(mine)) await systemClock.sleep(20, deadline);

  await edged.restart();
  assert.equal(cgroupFile(edged, "cpuset", join(parent, idOf(alone)), "cpuset.cpus"), own);
  meta.delete({ namespace: "default", name: "alone" }, 0);
  await meta.untilGone("alone");
  while (!others().has(mine)) await systemClock.sleep(20, deadline);
});
