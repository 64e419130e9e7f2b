import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod } from "@kedge/kube";
import fc from "fast-check";
import {
  burstableCpuShares,
  milliCpuToQuotaUs,
  milliCpuToShares,
  podCgroupValues,
  sharesToWeight,
} from "./cgroup-values.ts";
import { linuxResources, oomScoreAdj, sandboxOverhead, sandboxResources } from "./linux-resources.ts";
import { podLimits, podRequests } from "./pod-resources.ts";
import { qosClassOf } from "./qos-class.ts";
import { formatBytes, formatMilli, parseNano, quantityMilli, quantityValue } from "./quantity.ts";

type List = Record<string, string>;

function container(name: string, requests?: List, limits?: List, more: Partial<Container> = {}): Container {
  return { name, resources: { ...(requests && { requests }), ...(limits && { limits }) }, ...more };
}

function pod(containers: Container[], spec: Partial<NonNullable<Pod["spec"]>> = {}): Pod {
  return { metadata: { name: "p", namespace: "default", uid: "u-1" }, spec: { containers, ...spec } };
}

const GIB = 1024 ** 3;
const machine = { memoryCapacityBytes: 8 * GIB, cgroupVersion: 1 as const };

const quantities: [string, number, number][] = [
  ["100m", 1, 100],
  ["1.5", 2, 1500],
  ["0.1", 1, 100],
  ["64Mi", 67_108_864, 67_108_864_000],
  ["1.5Gi", 1_610_612_736, 1_610_612_736_000],
  ["2e3", 2000, 2_000_000],
  ["1k", 1000, 1_000_000],
  ["5E", 5e18, 5e21],
  ["1n", 1, 1],
  [".5", 1, 500],
  ["-1", -1, -1000],
  ["0", 0, 0],
];
for (const [text, value, milli] of quantities)
  test(`reads the quantity ${text}`, () =>
    assert.deepEqual([quantityValue(text), quantityMilli(text)], [value, milli]));

for (const text of ["", ".", "1x", "Mi", "1 Gi", "0x10", "1e", "--1", "NaN", "1".repeat(500)])
  test(`refuses the quantity ${JSON.stringify(text.slice(0, 10))}`, () =>
    assert.throws(() => parseNano(text), { code: "BadQuantity" }));

test("a formatted quantity reads as what it was", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31 - 1), (number) => {
      assert.equal(quantityValue(formatBytes(number)), number);
      assert.equal(quantityMilli(formatMilli(number)), number);
    }),
  );
});

const classes: { name: string; pod: Pod; qosClass: string }[] = [
  { name: "nothing asked for", pod: pod([container("a")]), qosClass: "BestEffort" },
  { name: "only other resources", pod: pod([container("a", { "ephemeral-storage": "1Gi" })]), qosClass: "BestEffort" },
  { name: "a request of zero", pod: pod([container("a", { cpu: "0" })]), qosClass: "BestEffort" },
  { name: "a request", pod: pod([container("a", { cpu: "1" })]), qosClass: "Burstable" },
  {
    name: "limits equal to requests in every container",
    pod: pod([container("a", { cpu: "1", memory: "1Gi" }, { cpu: "1000m", memory: "1024Mi" })]),
    qosClass: "Guaranteed",
  },
  {
    name: "one container without limits",
    pod: pod([container("a", { cpu: "1", memory: "1Gi" }, { cpu: "1", memory: "1Gi" }), container("b")]),
    qosClass: "Burstable",
  },
  {
    name: "an init container that only requests",
    pod: pod([container("a", { cpu: "1", memory: "1Gi" }, { cpu: "1", memory: "1Gi" })], {
      initContainers: [container("i", { cpu: "1" })],
    }),
    qosClass: "Burstable",
  },
  {
    name: "what its status says, always",
    pod: { ...pod([container("a")]), status: { qosClass: "Guaranteed" } },
    qosClass: "Guaranteed",
  },
];
for (const { name, pod: given, qosClass } of classes)
  test(`QoS: ${name} is ${qosClass}`, () => assert.equal(qosClassOf(given), qosClass));

test("a pod needs the larger of its init containers and its regular ones, plus sidecars and overhead", () => {
  const given = pod([container("a", { cpu: "100m" }), container("b", { cpu: "200m", memory: "1Gi" })], {
    initContainers: [
      container("first", { cpu: "500m" }),
      container("sidecar", { cpu: "50m" }, undefined, { restartPolicy: "Always" }),
      container("second", { cpu: "400m", memory: "2Gi" }),
    ],
    overhead: { cpu: "10m" },
  });
  // together 350m; init: max(500m, 50m + 400m) = 500m
  assert.equal(podRequests(given).get("cpu"), parseNano("510m"));
  assert.equal(podRequests(given, { excludeOverhead: true }).get("cpu"), parseNano("500m"));
  assert.equal(podRequests(given).get("memory"), parseNano("2Gi"));
  assert.equal(podLimits(given).get("cpu"), undefined, "overhead adds to no limit that is not set");
});

test("cpu values follow the kernel's scale", () => {
  assert.deepEqual([0, 1, 100, 1000, 999_999_999].map(milliCpuToShares), [2, 2, 102, 1024, 262_144]);
  assert.deepEqual(
    [0, 1, 500, 2000].map((milli) => milliCpuToQuotaUs(milli)),
    [0, 1000, 50_000, 200_000],
  );
  assert.deepEqual([2, 1024, 262_144].map(sharesToWeight), [1, 39, 10_000]);
});

const cgroups: { name: string; pod: Pod; values: object }[] = [
  { name: "BestEffort: least shares, no limit", pod: pod([container("a")]), values: { cpuShares: 2 } },
  {
    name: "Guaranteed: all limited",
    pod: pod([container("a", { cpu: "500m", memory: "64Mi" }, { cpu: "500m", memory: "64Mi" })]),
    values: { cpuShares: 512, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, memoryLimitBytes: 67_108_864 },
  },
  {
    name: "Burstable: no memory limit while one container has none",
    pod: pod([container("a", { cpu: "250m" }, { cpu: "1", memory: "64Mi" }), container("b", {}, { cpu: "1" })]),
    values: { cpuShares: 256, cpuQuotaUs: 200_000, cpuPeriodUs: 100_000 },
  },
];
for (const { name, pod: given, values } of cgroups)
  test(`pod cgroup: ${name}`, () => assert.deepEqual(podCgroupValues(given), values));

test("pod cgroup: pids and a switched-off quota", () => {
  const given = pod([container("a", { cpu: "1", memory: "1Gi" }, { cpu: "1", memory: "1Gi" })]);
  const values = podCgroupValues(given, { cpuCfsQuota: false, podPidsLimit: 100 });
  assert.equal(values.cpuQuotaUs, -1);
  assert.equal(values.pidsMax, 100);
});

test("the Burstable class has the shares of its pods", () => {
  const burstable = pod([container("a", { cpu: "300m" })]);
  assert.equal(burstableCpuShares([burstable, burstable, pod([container("b")])]), milliCpuToShares(600));
  assert.equal(burstableCpuShares([]), 2);
});

const scores: { name: string; pod: Pod; score: number }[] = [
  { name: "BestEffort", pod: pod([container("a")]), score: 1000 },
  {
    name: "Guaranteed",
    pod: pod([container("a", { cpu: "1", memory: "1Gi" }, { cpu: "1", memory: "1Gi" })]),
    score: -997,
  },
  { name: "Burstable with a quarter of the memory", pod: pod([container("a", { memory: "2Gi" })]), score: 750 },
  { name: "Burstable without a memory request", pod: pod([container("a", { cpu: "1" })]), score: 999 },
  { name: "Burstable with all of the memory", pod: pod([container("a", { memory: "8Gi" })]), score: 3 },
  {
    name: "node-critical",
    pod: pod([container("a")], { priority: 2_000_001_000, priorityClassName: "system-node-critical" }),
    score: -997,
  },
];
for (const { name, pod: given, score } of scores)
  test(`oom_score_adj: ${name} is ${score}`, () => {
    const [first] = given.spec?.containers ?? [];
    assert.ok(first);
    assert.equal(oomScoreAdj(given, first, machine.memoryCapacityBytes), score);
  });

test("oom_score_adj: a sidecar is as safe as the container it serves", () => {
  const sidecar = container("s", { memory: "64Mi" }, undefined, { restartPolicy: "Always" });
  const given = pod([container("a", { memory: "4Gi" })], { initContainers: [sidecar] });
  assert.equal(oomScoreAdj(given, sidecar, machine.memoryCapacityBytes), 500);
});

test("a container's resources for the runtime", () => {
  const first = container("a", { cpu: "100m", memory: "1Gi" }, { cpu: "250m", memory: "2Gi", "hugepages-2Mi": "4Mi" });
  assert.deepEqual(linuxResources(pod([first]), first, { ...machine, hugePageSizes: ["2MB", "1GB"] }), {
    cpuShares: 102n,
    cpuQuota: 25_000n,
    cpuPeriod: 100_000n,
    memoryLimitInBytes: BigInt(2 * GIB),
    oomScoreAdj: 875n,
    hugepageLimits: [
      { pageSize: "2MB", limit: 4_194_304n },
      { pageSize: "1GB", limit: 0n },
    ],
  });
});

test("a cpu limit alone is the request, too; on cgroup v2 the whole container dies together and has no swap", () => {
  const first = container("a", undefined, { cpu: "2", memory: "1Gi" });
  const options = { ...machine, cgroupVersion: 2 as const, swapController: true };
  const resources = linuxResources(pod([first]), first, options);
  assert.equal(resources.cpuShares, 2048n);
  assert.deepEqual(resources.unified, { "memory.oom.group": "1", "memory.swap.max": "0" });
  assert.equal(resources.memorySwapLimitInBytes, undefined);
  const single = linuxResources(pod([first]), first, { ...options, singleProcessOomKill: true });
  assert.deepEqual(single.unified, { "memory.swap.max": "0" });
  const onV1 = linuxResources(pod([first]), first, { ...machine, swapController: true });
  assert.equal(onV1.memorySwapLimitInBytes, BigInt(GIB), "memory and swap together: no swap");
  assert.equal(onV1.unified, undefined);
});

test("the sandbox' resources are the pod's without overhead", () => {
  const given = pod([container("a", { cpu: "1" }, { cpu: "1" }), container("b", { cpu: "1" }, { cpu: "1" })], {
    overhead: { cpu: "250m", memory: "64Mi" },
  });
  assert.equal(sandboxResources(given, machine).cpuQuota, 200_000n);
  assert.equal(sandboxOverhead(given, machine)?.memoryLimitInBytes, 67_108_864n);
  assert.equal(sandboxOverhead(pod([]), machine), undefined);
});
