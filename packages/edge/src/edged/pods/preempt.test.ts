import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, ResourceRequirements } from "@kedge/kube";
import type { Shortage } from "./admit-pod.ts";
import { container, pod } from "./pod.test-data.ts";
import { isPreemptable, podsToPreempt } from "./preempt.ts";

function named(name: string, resources: ResourceRequirements, priority?: number): Pod {
  const containers = [container("c", { resources })];
  return pod({ containers, ...(priority !== undefined && { priority }) }, { name, uid: name });
}
const same = (list: Record<string, string>) => ({ requests: list, limits: list });
const bestEffort = named("best-effort", {});
const small = named("burstable-small", { requests: { cpu: "100m", memory: "100Mi" } });
const large = named("burstable-large", { requests: { cpu: "500m", memory: "300Mi" } });
const guaranteed = named("guaranteed", same({ cpu: "500m", memory: "500Mi" }));
const bigGuaranteed = named("guaranteed-big", same({ cpu: "800m", memory: "800Mi" }));
const critical = named("critical", {}, 2_000_000_000);
const otherCritical = named("other-critical", same({ cpu: "1", memory: "1Gi" }), 2_000_000_000);
const all = [bestEffort, small, large, guaranteed, bigGuaranteed, otherCritical];

const MIB = 1024 ** 2;
const short = (resource: string, amount: number): Shortage => ({ resource, requested: amount, used: 7, capacity: 7 });

const cases: { name: string; shortages: Shortage[]; pods?: Pod[]; go: string[] }[] = [
  { name: "nothing is short", shortages: [], go: [] },
  { name: "one pod too many: who asked for nothing", shortages: [short("pods", 1)], go: ["best-effort"] },
  { name: "a little memory", shortages: [short("memory", 90 * MIB)], go: ["burstable-small"] },
  { name: "more than the small one has", shortages: [short("memory", 200 * MIB)], go: ["burstable-large"] },
  {
    name: "both burstable ones, before any guaranteed one",
    shortages: [short("cpu", 600)],
    go: ["burstable-large", "burstable-small"],
  },
  {
    name: "a guaranteed one only for what the others do not have, the smaller one if it does",
    shortages: [short("memory", 900 * MIB)],
    go: ["burstable-large", "burstable-small", "guaranteed"],
  },
  {
    name: "two things at once",
    shortages: [short("cpu", 100), short("memory", 100 * MIB)],
    go: ["burstable-small"],
  },
];
for (const { name, shortages, pods = all, go } of cases)
  test(`preempts: ${name}`, () =>
    assert.deepEqual(
      podsToPreempt(critical, pods, shortages).map(({ metadata }) => metadata?.name),
      go,
    ));

test("says what cannot be had even from all together", () => {
  assert.throws(() => podsToPreempt(critical, [bestEffort, small], [short("cpu", 200), short("memory", 1)]), {
    message: "no set of running pods found to reclaim resources: [(res: cpu, q: 100), ]",
  });
});

test("a critical pod goes before all that are not, and among critical ones by priority", () => {
  assert.equal(isPreemptable(critical, bigGuaranteed), true);
  assert.equal(isPreemptable(critical, otherCritical), false);
  assert.equal(isPreemptable(named("node-critical", {}, 2_000_001_000), otherCritical), true);
  assert.equal(isPreemptable(small, bestEffort), false);
  const mirror = pod({}, { annotations: { "kubernetes.io/config.mirror": "1" } });
  assert.equal(isPreemptable(critical, mirror), false);
});
