import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../pods/pod.test-data.ts";
import { planContainerGc, superfluousDead } from "./plan-container-gc.ts";

const dead = (...ages: number[]) =>
  ages.map((age) => record("app", "exited", { id: `${age}`, createdAtMs: 1000 - age }));
const ids = (containers: readonly { readonly id: string }[]) => containers.map(({ id }) => Number(id));

const ofOne = [
  { name: "the newest stays", ages: [1, 2, 3], max: 1, ageMinMs: 0, removed: [2, 3] },
  { name: "as many stay as are asked for", ages: [1, 2, 3], max: 2, ageMinMs: 0, removed: [3] },
  { name: "the newest stays even if none is asked for", ages: [1, 2], max: 0, ageMinMs: 0, removed: [2] },
  { name: "no limit", ages: [1, 2, 3], max: -1, ageMinMs: 0, removed: [] },
  { name: "the young stay", ages: [1, 5, 50], max: 1, ageMinMs: 10, removed: [50] },
  {
    name: "what comes from the future, after the clock was set back, is old",
    ages: [-900, -999],
    max: 1,
    ageMinMs: 10,
    removed: [-999],
  },
];
for (const { name, ages, max, ageMinMs, removed } of ofOne)
  test(`of one container: ${name}`, () =>
    assert.deepEqual(ids(superfluousDead(dead(...ages), { perContainerMax: max, ageMinMs }, 1000)), removed));

const ofNode: {
  name: string;
  groups: { isOver: boolean; ages: number[] }[];
  nodeMax: number;
  removed: number[];
}[] = [
  { name: "no limit", groups: [{ isOver: true, ages: [1, 2, 3] }], nodeMax: -1, removed: [] },
  { name: "few enough", groups: [{ isOver: false, ages: [1, 2] }], nodeMax: 2, removed: [] },
  {
    name: "each gives up as many as the others",
    groups: [
      { isOver: false, ages: [1, 2, 3, 4] },
      { isOver: false, ages: [5, 6] },
    ],
    nodeMax: 4,
    removed: [3, 4],
  },
  {
    name: "then the oldest of pods that are over; of living pods the newest stay",
    groups: [
      { isOver: false, ages: [90] },
      { isOver: true, ages: [50] },
      { isOver: true, ages: [60] },
    ],
    nodeMax: 1,
    removed: [60, 50],
  },
];
for (const { name, groups, nodeMax, removed } of ofNode)
  test(`of the node: ${name}`, () => {
    const containers = groups.map(({ isOver, ages }) => ({ isOver, containers: dead(...ages) }));
    assert.deepEqual(ids(planContainerGc(containers, { nodeMax, ageMinMs: 0 }, 1000)), removed);
  });
