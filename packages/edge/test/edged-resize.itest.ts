import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ContainerState } from "@kedge/cri";
import type { Container, Pod, ResourceRequirements } from "@kedge/kube";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { parseCgroupHierarchies } from "../src/edged/resources/cgroup-hierarchies.ts";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const MIB = 1024 ** 2;
const hierarchies = parseCgroupHierarchies(readFileSync("/proc/self/mountinfo", "utf8"));
const memory = hierarchies.find(({ controllers }) => controllers.includes("memory"));
const cpu = hierarchies.find(({ controllers }) => controllers.includes("cpu"));
const skip = TestContainerd.missing() || (memory?.version === 1 ? false : "needs cgroup v1");
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;
let edged: TestEdged;

before(async () => {
  if (skip !== false) return;
  containerd = scope.use(await TestContainerd.start());
  edged = scope.use(await startTestEdged(containerd, { relistIntervalMs: 1_000 }));
});
after(() => scope.disposeAsync());

const signal = () => AbortSignal.timeout(20_000);

function sized(name: string, resources: ResourceRequirements, more: Partial<Container> = {}): Pod {
  const container = { name: "app", image: TEST_IMAGE, command: ["sh", "-c", SERVE], resources, ...more };
  return podOf(name, SERVE, { containers: [container] });
}

const of = (cpuAmount: string, memoryAmount: string): ResourceRequirements => ({
  requests: { cpu: cpuAmount, memory: memoryAmount },
  limits: { cpu: cpuAmount, memory: memoryAmount },
});

/** As `kubectl patch --subresource resize`. */
function resize(name: string, resources: ResourceRequirements): void {
  const pod = edged.meta.get(name);
  assert.ok(pod?.spec !== undefined);
  const [container, ...others] = pod.spec.containers;
  assert.ok(container !== undefined);
  const containers = [{ ...container, resources }, ...others];
  edged.meta.apply({ ...pod, spec: { ...pod.spec, containers } });
}

const statusOf = (name: string) => edged.meta.get(name)?.status?.containerStatuses?.[0];
const conditionOf = (name: string, type: string) =>
  edged.meta.get(name)?.status?.conditions?.find((condition) => condition.type === type);

async function containerOf(name: string): Promise<string> {
  const labels = { "io.kubernetes.pod.name": name };
  const all = await containerd.client.runtime.listContainers(labels, signal());
  return all.find(({ state }) => state === ContainerState.CONTAINER_RUNNING)?.id ?? "";
}

/** What the kernel holds the pod's and its container's processes to. */
async function inForce(name: string) {
  const id = await containerOf(name);
  const { stdout } = await containerd.client.runtime.execSync(id, ["cat", "/proc/self/cgroup"], 5, signal());
  const path = (controller: string) =>
    Buffer.from(stdout)
      .toString()
      .split("\n")
      .map((line) => line.split(":"))
      .find(([, controllers]) => controllers?.split(",").includes(controller))?.[2] ?? "";
  const uid = edged.meta.get(name)?.metadata?.uid;
  const qosClass = edged.meta.get(name)?.status?.qosClass === "Guaranteed" ? "" : "burstable";
  const pod = join(edged.config.cgroupRoot, "kubepods", qosClass, `pod${uid}`);
  const read = (mount: string | undefined, cgroup: string, file: string) =>
    Number(readFileSync(join(mount ?? "", cgroup, file), "utf8"));
  const limits = (cpuPath: string, memoryPath: string) => ({
    memory: read(memory?.mountPoint, memoryPath, "memory.limit_in_bytes"),
    quota: read(cpu?.mountPoint, cpuPath, "cpu.cfs_quota_us"),
  });
  // The container sees its cgroup as the root of all, so it is found by its name.
  assert.notEqual(path("memory"), "");
  return { id, pod: limits(pod, pod), container: limits(join(pod, id), join(pod, id)) };
}

test("a running container gets more, and then less, without being touched", options, async () => {
  const { meta } = edged;
  meta.apply(sized("sized", of("100m", "32Mi")));
  await meta.untilReady("sized");
  const before = await inForce("sized");
  assert.deepEqual(before.container, { memory: 32 * MIB, quota: 10_000 });
  assert.deepEqual(statusOf("sized")?.resources, of("100m", "32Mi"));
  assert.deepEqual(statusOf("sized")?.allocatedResources, { cpu: "100m", memory: "32Mi" });
  for (const [amounts, limits] of [
    [of("300m", "64Mi"), { memory: 64 * MIB, quota: 30_000 }],
    [of("200m", "48Mi"), { memory: 48 * MIB, quota: 20_000 }],
  ] as const) {
    resize("sized", amounts);
    await meta.until(() => statusOf("sized")?.resources?.limits?.["memory"] === amounts.limits?.["memory"]);
    const now = await inForce("sized");
    assert.equal(now.id, before.id);
    assert.deepEqual(now.container, limits);
    assert.deepEqual(now.pod, limits);
    assert.equal(statusOf("sized")?.restartCount, 0);
    await meta.until(() => conditionOf("sized", "PodResizeInProgress") === undefined);
  }
  const reasons = meta.events
    .filter(({ involvedObject }) => involvedObject.name === "sized")
    .map(({ reason }) => reason);
  assert.ok(reasons.includes("ResizeStarted") && reasons.includes("ResizeCompleted"), reasons.join());
});

test("a container that wants to be restarted for it is, once", options, async () => {
  const { meta } = edged;
  const resizePolicy = [{ resourceName: "memory", restartPolicy: "RestartContainer" }];
  meta.apply(sized("restarts", of("100m", "32Mi"), { resizePolicy }));
  await meta.untilReady("restarts");
  const before = await containerOf("restarts");
  resize("restarts", of("150m", "32Mi")); // of the CPU it said nothing
  await meta.until(() => statusOf("restarts")?.resources?.limits?.["cpu"] === "150m");
  assert.equal(await containerOf("restarts"), before);
  resize("restarts", of("150m", "40Mi"));
  await meta.until(() => statusOf("restarts")?.restartCount === 1 && statusOf("restarts")?.ready === true);
  const now = await inForce("restarts");
  assert.deepEqual(now.container, { memory: 40 * MIB, quota: 15_000 });
  assert.notEqual(now.id, before);
  assert.ok(meta.events.some(({ message }) => message === "Container app resize requires restart"));
});

test("what the node does not have is not given: never, or not yet", options, async () => {
  const { meta } = edged;
  meta.apply(sized("wishes", of("100m", "32Mi")));
  await meta.untilReady("wishes");
  resize("wishes", of("5", "32Mi"));
  await meta.until(() => conditionOf("wishes", "PodResizePending")?.reason === "Infeasible");
  assert.equal(
    conditionOf("wishes", "PodResizePending")?.message,
    "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000",
  );
  assert.deepEqual(statusOf("wishes")?.resources, of("100m", "32Mi"));

  meta.apply(sized("in-the-way", { requests: { cpu: "2" } }));
  await meta.untilReady("in-the-way");
  resize("wishes", of("3", "32Mi"));
  await meta.until(() => conditionOf("wishes", "PodResizePending")?.reason === "Deferred");
  // Also an agent that restarts knows what it has given: less than the spec says.
  await edged.restart();
  meta.apply(podOf("after-wishes", SERVE));
  await meta.untilReady("after-wishes");
  assert.deepEqual((await inForce("wishes")).container, { memory: 32 * MIB, quota: 10_000 });
  assert.equal(conditionOf("wishes", "PodResizePending")?.reason, "Deferred");

  meta.delete({ namespace: "default", name: "in-the-way" }, 1);
  await meta.until(() => statusOf("wishes")?.resources?.limits?.["cpu"] === "3");
  await meta.until(() => conditionOf("wishes", "PodResizePending") === undefined);
  assert.equal((await inForce("wishes")).container.quota, 300_000);
  meta.delete({ namespace: "default", name: "wishes" }, 1);
  await meta.untilGone("wishes");
});

test("a limit below what is used is told, and reached once it can be", options, async () => {
  const { meta } = edged;
  const fills = "text=$(head -c 12582912 /dev/zero | base64); trap 'unset text' USR1; while :; do sleep 0.1; done";
  meta.apply(sized("full", of("500m", "128Mi"), { command: ["sh", "-c", `${fills}`] }));
  await meta.untilReady("full");
  const { id } = await inForce("full");
  const usage = () => {
    const uid = meta.get("full")?.metadata?.uid;
    const file = join(
      memory?.mountPoint ?? "",
      edged.config.cgroupRoot,
      "kubepods",
      `pod${uid}`,
      id,
      "memory.usage_in_bytes",
    );
    return Number(readFileSync(file, "utf8"));
  };
  const until = signal();
  while (usage() < 24 * MIB) await setImmediate(undefined, { signal: until });
  resize("full", of("500m", "8Mi"));
  await meta.until(() => conditionOf("full", "PodResizeInProgress")?.reason === "Error");
  assert.equal(statusOf("full")?.resources?.limits?.["memory"], "128Mi");
  assert.equal(statusOf("full")?.restartCount, 0);
  resize("full", of("500m", "96Mi"));
  await meta.until(() => statusOf("full")?.resources?.limits?.["memory"] === "96Mi");
  await meta.until(() => conditionOf("full", "PodResizeInProgress") === undefined);
});
