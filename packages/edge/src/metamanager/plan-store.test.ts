import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareResourceVersions } from "@kedge/kube";
import { type Incarnation, lateUpTo, planRemove, planStore } from "./plan-store.ts";

const at = (uid: string | undefined, resourceVersion: string | undefined): Incarnation => ({ uid, resourceVersion });

const cases: { name: string; stored?: Incarnation; arrived: Incarnation; buried?: string; plan: "store" | "stale" }[] =
  [
    { name: "stores what is new", arrived: at("a", "1"), plan: "store" },
    { name: "compares versions as numbers", stored: at("a", "9"), arrived: at("a", "10"), plan: "store" },
    { name: "drops a late copy", stored: at("a", "10"), arrived: at("a", "9"), plan: "stale" },
    { name: "drops a second copy", stored: at("a", "10"), arrived: at("a", "10"), plan: "stale" },
    {
      name: "stores a successor, also one of a lower version",
      stored: at("a", "10"),
      arrived: at("b", "3"),
      plan: "store",
    },
    { name: "keeps the dead dead", arrived: at("a", "5"), buried: "5", plan: "stale" },
    { name: "lets an object come back that was only out of sight", arrived: at("a", "6"), buried: "5", plan: "store" },
    { name: "stores what has no version", stored: at("a", undefined), arrived: at("a", undefined), plan: "store" },
    {
      name: "replaces a row that is no object",
      stored: at(undefined, undefined),
      arrived: at("a", "1"),
      plan: "store",
    },
  ];
for (const { name, stored, arrived, buried, plan } of cases)
  test(name, () => assert.equal(planStore(stored, arrived, buried), plan));

test("a deletion means one life of an object", () => {
  assert.equal(planRemove(undefined, at("a", "1")), "other");
  assert.equal(planRemove(at("b", "1"), at("a", "9")), "other");
  assert.equal(planRemove(at("b", "1"), at("b", "9")), "remove");
  assert.equal(planRemove(at("b", "1"), at(undefined, undefined)), "remove");
});

test("W36: whatever the order and number of copies, the row ends at what came last in the cluster", () => {
  // One name, several lives one after the other, each with several versions; the cluster's versions only grow.
  const lives = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).map((lengths) => {
    let version = 0;
    return lengths.map((states, life) => ({
      uid: `life-${life}`,
      versions: Array.from({ length: states }, () => String((version += 1))),
      goneAt: String((version += 1)),
    }));
  });
  type Step = { readonly kind: "state" | "gone"; readonly uid: string; readonly version: string };
  const stories = lives.chain((story) => {
    const steps: Step[] = story.flatMap(({ uid, versions, goneAt }, life) => [
      ...versions.map((version) => ({ kind: "state" as const, uid, version })),
      ...(life < story.length - 1 ? [{ kind: "gone" as const, uid, version: goneAt }] : []),
    ]);
    const copies = fc.shuffledSubarray([...steps, ...steps], { minLength: 0 });
    return fc.tuple(fc.constant(steps), copies);
  });
  fc.assert(
    fc.property(stories, ([steps, copies]) => {
      let row: { uid: string; version: string } | undefined;
      const buried = new Map<string, string>();
      const newest = new Map<string, string>();
      const bury = (uid: string, version: string) => {
        if (compareResourceVersions(version, buried.get(uid)) > 0) buried.set(uid, version);
      };
      const apply = ({ kind, uid, version }: Step) => {
        const stored = row && at(row.uid, row.version);
        if (kind === "gone") {
          bury(uid, version);
          if (planRemove(stored, at(uid, version)) === "remove") row = undefined;
        } else if (planStore(stored, at(uid, version), buried.get(uid)) === "store") {
          const late = stored && lateUpTo(stored, at(uid, version));
          if (row !== undefined && late !== undefined) bury(row.uid, late);
          row = { uid, version };
          assert.ok(compareResourceVersions(version, newest.get(uid)) >= 0, "no life goes back");
          newest.set(uid, version);
        }
      };
      // First hostile copies in any order, then everything once more in the cluster's own order, as a resync does.
      for (const step of [...copies, ...steps]) apply(step);
      const last = steps.at(-1);
      assert.equal(row?.version, last?.version);
      assert.equal(row?.uid, last?.uid);
    }),
    { numRuns: 2_000 },
  );
});
