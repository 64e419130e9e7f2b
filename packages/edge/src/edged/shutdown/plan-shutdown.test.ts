import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import { groupPods, shutdownGraceSeconds, shutdownGroups } from "./plan-shutdown.ts";

const podOf = (name: string, priority?: number): Pod => ({
  metadata: { name },
  spec: { containers: [], ...(priority !== undefined && { priority }) },
});

const settings = [
  { name: "without a time nothing is waited for", graceMs: 0, criticalGraceMs: 0, groups: [] },
  { name: "critical pods have the end of the time", graceMs: 30_000, criticalGraceMs: 10_000, groups: [20, 10] },
  { name: "more for critical pods than there is cannot be", graceMs: 5_000, criticalGraceMs: 10_000, groups: [] },
];
for (const { name, graceMs, criticalGraceMs, groups } of settings)
  test(name, () => {
    const planned = shutdownGroups({ graceMs, criticalGraceMs, byPriority: [] });
    assert.deepEqual(
      planned.map(({ graceSeconds }) => graceSeconds),
      groups,
    );
  });

test("priorities of the configuration go before both times, the lowest first", () => {
  const byPriority = [
    { priority: 1000, graceSeconds: 3 },
    { priority: 0, graceSeconds: 1 },
  ];
  const groups = shutdownGroups({ graceMs: 30_000, criticalGraceMs: 0, byPriority });
  assert.deepEqual(
    groups.map(({ priority }) => priority),
    [0, 1000],
  );
});

test("each pod is in the group at or below its priority, and those below all in the lowest", () => {
  const groups = [0, 1000, 2_000_000_000].map((priority) => ({ priority, graceSeconds: 1 }));
  const pods = [
    podOf("none"),
    podOf("low", -5),
    podOf("middle", 1500),
    podOf("exact", 1000),
    podOf("top", 2 ** 31 - 1),
  ];
  const names = [...groupPods(groups, pods).values()].map((members) => members.map(({ metadata }) => metadata?.name));
  assert.deepEqual(names, [["none", "low"], ["middle", "exact"], ["top"]]);
});

test("a pod gets no more than it asked for", () => {
  const group = { priority: 0, graceSeconds: 10 };
  assert.equal(shutdownGraceSeconds({ spec: { containers: [], terminationGracePeriodSeconds: 3 } }, group), 3);
  assert.equal(shutdownGraceSeconds({ spec: { containers: [], terminationGracePeriodSeconds: 60 } }, group), 10);
});
