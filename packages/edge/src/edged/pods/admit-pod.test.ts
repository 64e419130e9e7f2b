import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import { admitPod, type AdmissionFacts } from "./admit-pod.ts";

const facts: AdmissionFacts = {
  others: [],
  allocatable: { cpu: "2", memory: "1Gi", pods: "110" },
  maxPods: 110,
  nodeName: "edge",
  node: undefined,
  allowedUnsafeSysctls: [],
};
const pod = (cpu: string, memory: string): Pod => ({
  metadata: { name: "p", namespace: "default" },
  spec: { nodeName: "edge", containers: [{ name: "c", resources: { requests: { cpu, memory } } }] },
});

const cases = [
  { name: "takes what fits", pod: pod("10m", "8Mi"), verdict: undefined },
  { name: "takes what fits exactly", pod: pod("2", "1Gi"), verdict: undefined },
  {
    name: "refuses too much CPU, and says so in milli-cores",
    pod: pod("2500m", "8Mi"),
    verdict: [
      "OutOfcpu",
      "Pod was rejected: Node didn't have enough resource: cpu, requested: 2500, used: 0, capacity: 2000",
    ],
  },
  {
    name: "refuses too much memory, and says so in bytes",
    pod: pod("1", "2Gi"),
    verdict: [
      "OutOfmemory",
      "Pod was rejected: Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
    ],
  },
] as const;
for (const { name, pod: wanted, verdict } of cases)
  test(name, () => {
    const given = admitPod(wanted, facts);
    assert.deepEqual(given && [given.reason, given.message], verdict);
  });

test("counts what other pods hold", () => {
  const others = [pod("1500m", "8Mi")];
  assert.equal(admitPod(pod("501m", "8Mi"), { ...facts, others })?.reason, "OutOfcpu");
  assert.equal(admitPod(pod("500m", "8Mi"), { ...facts, others }), undefined);
});
