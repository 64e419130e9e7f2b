import assert from "node:assert/strict";
import { test } from "node:test";
import { amountOf, type EvictionSettings, evictionThresholds } from "./eviction-thresholds.ts";

const settings = (given: Partial<EvictionSettings>): EvictionSettings => ({ hard: {}, enforcesPods: false, ...given });

test("reads hard and soft thresholds, with what must come back", () => {
  const thresholds = evictionThresholds(
    settings({
      hard: { "memory.available": "100Mi", "nodefs.available": "10%" },
      soft: { "memory.available": "1.5Gi" },
      softGraceMs: { "memory.available": 90_000 },
      minimumReclaim: { "nodefs.available": "500Mi" },
    }),
  );
  assert.deepEqual(thresholds, [
    { signal: "memory.available", value: { units: 104857600 }, graceMs: 0, minimumReclaim: undefined },
    { signal: "nodefs.available", value: { share: 0.1 }, graceMs: 0, minimumReclaim: { units: 524288000 } },
    { signal: "memory.available", value: { units: 1610612736 }, graceMs: 90_000, minimumReclaim: undefined },
  ]);
});

test("what all pods may use together has the node's own hard threshold", () => {
  const signals = evictionThresholds(
    settings({
      hard: { "memory.available": "100Mi", "pid.available": "10%" },
      soft: { "memory.available": "1Gi" },
      softGraceMs: { "memory.available": 1 },
      enforcesPods: true,
    }),
  ).map(({ signal, graceMs }) => `${signal} ${graceMs}`);
  assert.deepEqual(signals, [
    "memory.available 0",
    "pid.available 0",
    "memory.available 1",
    "allocatableMemory.available 0",
  ]);
});

test("0% and 100% switch a threshold off, and containerfs is one of the others here", () => {
  const hard = { "memory.available": "0%", "nodefs.available": "100%", "containerfs.available": "5%" };
  assert.deepEqual(evictionThresholds(settings({ hard })), []);
});

const wrong: { name: string; given: Partial<EvictionSettings>; says: RegExp }[] = [
  {
    name: "a signal that there is not",
    given: { hard: { "memory.free": "1Gi" } },
    says: /evictionHard\.memory\.free is "1Gi": .* no signal/,
  },
  { name: "no quantity", given: { hard: { "memory.available": "much" } }, says: /is "much": expected a quantity/ },
  { name: "nothing at all", given: { hard: { "memory.available": "0" } }, says: /expected a quantity above 0/ },
  { name: "more than everything", given: { hard: { "nodefs.available": "120%" } }, says: /percentage up to 100%/ },
  {
    name: "a soft threshold without a time",
    given: { soft: { "memory.available": "1Gi" } },
    says: /evictionSoftGracePeriod\.memory\.available is missing/,
  },
];
for (const { name, given, says } of wrong)
  test(`refuses ${name}`, () =>
    assert.throws(() => evictionThresholds(settings(given)), { code: "InvalidNodeConfig", message: says }));

test("a share is of the capacity, and whole", () => {
  assert.equal(amountOf({ share: 0.1 }, 1005), 100);
  assert.equal(amountOf({ units: 7 }, 1000), 7);
});
