import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod, ResourceRequirements } from "@kedge/kube";
import { podCgroupValues } from "./cgroup-values.ts";
import { linuxResources, oomScoreAdj } from "./linux-resources.ts";
import { podLimits, podRequests } from "./pod-resources.ts";
import { qosClassOf } from "./qos-class.ts";
import { parseNano } from "./quantity.ts";

const GIB = 1024 ** 3;
const machine = { memoryCapacityBytes: 8 * GIB, cgroupVersion: 2 as const, singleProcessOomKill: true };

function pod(resources: ResourceRequirements, containers: Container[] = [{ name: "a" }, { name: "b" }]): Pod {
  return { metadata: { name: "p", uid: "u" }, spec: { containers, resources } };
}
const whole = { cpu: "2", memory: "1Gi" };

test("a pod is judged by what it says itself", () => {
  assert.equal(qosClassOf(pod({ requests: whole, limits: whole })), "Guaranteed");
  assert.equal(qosClassOf(pod({ requests: { cpu: "1" }, limits: whole })), "Burstable");
  assert.equal(qosClassOf(pod({}, [{ name: "a", resources: { requests: { cpu: "1" } } }])), "Burstable");
});

test("a pod's own numbers stand for the sum of its containers', but for other resources", () => {
  const given = pod({ requests: { cpu: "2", "hugepages-2Mi": "4Mi" }, limits: { memory: "1Gi" } }, [
    { name: "a", resources: { requests: { cpu: "500m", "example.com/gpu": "1" }, limits: { memory: "64Mi" } } },
  ]);
  given.spec = { ...given.spec, containers: given.spec?.containers ?? [], overhead: { cpu: "250m", memory: "16Mi" } };
  assert.equal(podRequests(given).get("cpu"), parseNano("2250m"));
  assert.equal(podRequests(given).get("example.com/gpu"), parseNano("1"));
  assert.equal(podRequests(given).get("hugepages-2Mi"), parseNano("4Mi"));
  assert.equal(podLimits(given).get("memory"), parseNano("1040Mi"));
  assert.equal(podRequests(given, { excludePodLevel: true, excludeOverhead: true }).get("cpu"), parseNano("500m"));
});

test("the pod's cgroup is limited although no container is; a container without a limit has the pod's", () => {
  const given = pod({ requests: { cpu: "500m", memory: "512Mi" }, limits: { ...whole, "hugepages-2Mi": "4Mi" } });
  assert.deepEqual(podCgroupValues(given, { hugePageSizes: ["2MB"] }), {
    cpuShares: 512,
    cpuQuotaUs: 200_000,
    cpuPeriodUs: 100_000,
    memoryLimitBytes: GIB,
    hugePages: { "2MB": 0 },
  });
  const resources = linuxResources(given, { name: "a" }, { ...machine, hugePageSizes: ["2MB"] });
  assert.equal(resources.cpuQuota, 200_000n);
  assert.equal(resources.memoryLimitInBytes, BigInt(GIB));
  assert.deepEqual(resources.hugepageLimits, [{ pageSize: "2MB", limit: 4_194_304n }]);
  const own = { name: "a", resources: { limits: { cpu: "1", memory: "64Mi" } } };
  assert.equal(linuxResources(given, own, machine).cpuQuota, 100_000n);
});

test("oom_score_adj: what the pod requests beyond its containers is shared out", () => {
  const first = { name: "a", resources: { requests: { memory: "1Gi" } } };
  const given = pod({ requests: { memory: "3Gi" } }, [first, { name: "b" }]);
  // 1 GiB each of the 2 GiB left: 2/8 and 1/8 of the machine
  assert.equal(oomScoreAdj(given, first, machine.memoryCapacityBytes), 750);
  assert.equal(oomScoreAdj(given, { name: "b" }, machine.memoryCapacityBytes), 875);
});

const throttled: { name: string; resources: ResourceRequirements; unified: object | undefined }[] = [
  {
    name: "between request and limit",
    resources: { requests: { memory: "1000Ki" }, limits: { memory: "2000Ki" } },
    unified: { "memory.min": "1024000", "memory.high": String(Math.floor((1_024_000 + 921_600) / 4096) * 4096) },
  },
  {
    name: "without a limit, of what the node gives",
    resources: { requests: { memory: "1Gi" } },
    unified: { "memory.min": String(GIB), "memory.high": String(Math.floor((GIB + 3 * GIB * 0.9) / 4096) * 4096) },
  },
  {
    name: "not when request and limit are the same",
    resources: { requests: { memory: "1Gi" }, limits: { memory: "1Gi" } },
    unified: { "memory.min": String(GIB) },
  },
  { name: "not of those that ask for nothing", resources: {}, unified: undefined },
];
for (const { name, resources, unified } of throttled)
  test(`MemoryQoS: ${name}`, () => {
    const container = { name: "a", resources };
    const memoryQos = { throttlingFactor: 0.9, allocatableBytes: 4 * GIB };
    const given: Pod = { metadata: { name: "p" }, spec: { containers: [container] } };
    assert.deepEqual(linuxResources(given, container, { ...machine, memoryQos }).unified, unified);
    const onV1 = linuxResources(given, container, { ...machine, cgroupVersion: 1, memoryQos });
    assert.equal(onV1.unified, undefined, "version 1 has no such files");
  });
