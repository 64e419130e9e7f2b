import assert from "node:assert/strict";
import { test } from "node:test";
import type { Observations } from "./eviction-signals.ts";
import type { Threshold } from "./eviction-thresholds.ts";
import { isRelieved, judgePressure, NO_PRESSURE_YET, type PressureState } from "./judge-pressure.ts";

const hard: Threshold = { signal: "memory.available", value: { units: 100 }, graceMs: 0, minimumReclaim: undefined };
const soft: Threshold = { ...hard, value: { units: 200 }, graceMs: 60_000 };
const disk: Threshold = {
  signal: "nodefs.available",
  value: { share: 0.1 },
  graceMs: 0,
  minimumReclaim: { share: 0.05 },
};
const TRANSITION_MS = 300_000;

/** Looks again and again; `[ms, memory left, disk left]`. */
function look(thresholds: readonly Threshold[], looks: readonly [ms: number, memory: number, disk: number][]) {
  let state: PressureState = NO_PRESSURE_YET;
  return looks.map(([ms, memory, diskLeft]) => {
    const observations: Observations = {
      "memory.available": { available: memory, capacity: 1000 },
      "nodefs.available": { available: diskLeft, capacity: 1000 },
    };
    const verdict = judgePressure(state, thresholds, observations, ms, TRANSITION_MS);
    ({ state } = verdict);
    const due = verdict.due.map((threshold) => (threshold === hard ? "hard" : threshold === soft ? "soft" : "disk"));
    return `${[...verdict.conditions].join() || "well"}: ${due.join() || "nothing"}`;
  });
}

const cases: {
  name: string;
  thresholds: readonly Threshold[];
  looks: [number, number, number][];
  seen: string[];
}[] = [
  {
    name: "enough is no pressure, and what equals the threshold is enough",
    thresholds: [hard, disk],
    looks: [[0, 100, 100]],
    seen: ["well: nothing"],
  },
  {
    name: "below a hard threshold something is due at once",
    thresholds: [hard],
    looks: [[0, 99, 500]],
    seen: ["MemoryPressure: hard"],
  },
  {
    name: "a soft threshold must be met for its time, without a break",
    thresholds: [soft],
    looks: [
      [0, 150, 500],
      [50_000, 150, 500],
      [55_000, 250, 500],
      [65_000, 150, 500],
      [125_000, 150, 500],
    ],
    seen: [
      "MemoryPressure: nothing",
      "MemoryPressure: nothing",
      "MemoryPressure: nothing", // for a while the condition stays
      "MemoryPressure: nothing", // counted anew
      "MemoryPressure: soft",
    ],
  },
  {
    name: "the condition stays for the transition period after it was seen last",
    thresholds: [hard],
    looks: [
      [0, 50, 500],
      [10_000, 500, 500],
      [299_999, 500, 500],
      [300_000, 500, 500],
    ],
    seen: ["MemoryPressure: hard", "MemoryPressure: nothing", "MemoryPressure: nothing", "well: nothing"],
  },
  {
    name: "once met, it is not over before the minimum has come back",
    thresholds: [disk],
    looks: [
      [0, 500, 99],
      [1, 500, 149],
      [2, 500, 150],
      [3, 500, 149],
    ],
    seen: ["DiskPressure: disk", "DiskPressure: disk", "DiskPressure: nothing", "DiskPressure: nothing"],
  },
  {
    name: "memory comes before all else",
    thresholds: [disk, hard],
    looks: [[0, 50, 50]],
    seen: ["DiskPressure,MemoryPressure: hard,disk"],
  },
];
for (const { name, thresholds, looks, seen } of cases)
  test(name, () => assert.deepEqual(look(thresholds, looks), seen));

test("what cannot be seen is no pressure", () => {
  const { conditions } = judgePressure(NO_PRESSURE_YET, [hard], {}, 0, TRANSITION_MS);
  assert.equal(conditions.size, 0);
});

test("relieved means that the minimum is back, too", () => {
  const left = (available: number): Observations => ({ "nodefs.available": { available, capacity: 1000 } });
  assert.equal(isRelieved([disk], left(120)), false);
  assert.equal(isRelieved([disk], left(150)), true);
});
