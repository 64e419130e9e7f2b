import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, PodSpec } from "@kedge/kube";
import { refuseUnderPressure } from "./admit-under-pressure.ts";
import type { PressureCondition } from "./eviction-signals.ts";

const podOf = (spec: Partial<PodSpec> = {}): Pod => ({ spec: { containers: [{ name: "app" }], ...spec } });
const bestEffort = podOf();
const burstable = podOf({ containers: [{ name: "app", resources: { requests: { cpu: "1m" } } }] });
const tolerant = podOf({ tolerations: [{ key: "node.kubernetes.io/memory-pressure", operator: "Exists" }] });
const critical = podOf({ priority: 2_000_000_000 });

const cases: { name: string; pod: Pod; conditions: PressureCondition[]; refused: boolean }[] = [
  { name: "all is well", pod: bestEffort, conditions: [], refused: false },
  { name: "memory: who asks for nothing", pod: bestEffort, conditions: ["MemoryPressure"], refused: true },
  { name: "memory: who asks for something", pod: burstable, conditions: ["MemoryPressure"], refused: false },
  { name: "memory: who bears it", pod: tolerant, conditions: ["MemoryPressure"], refused: false },
  { name: "disk: everybody", pod: burstable, conditions: ["DiskPressure"], refused: true },
  { name: "processes: everybody", pod: burstable, conditions: ["PIDPressure"], refused: true },
  {
    name: "memory and disk: also who bears one",
    pod: tolerant,
    conditions: ["MemoryPressure", "DiskPressure"],
    refused: true,
  },
  { name: "what the node needs itself", pod: critical, conditions: ["MemoryPressure", "DiskPressure"], refused: false },
];
for (const { name, pod, conditions, refused } of cases)
  test(`${name} ${refused ? "is refused" : "comes in"}`, () => {
    const verdict = refuseUnderPressure(pod, new Set(conditions));
    assert.equal(verdict?.reason, refused ? "Evicted" : undefined);
    if (refused)
      assert.equal(verdict?.message, `Pod was rejected: The node had condition: [${conditions.join(" ")}]. `);
  });
