import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketOf, type HeldObject } from "@kedge/protocol";
import type { SyncRecord } from "../cloudhub/sync-record.ts";
import { comparedRecords, heldAccordingTo, planDigestRepair } from "./plan-digest-repair.ts";

const record = (facts: Partial<SyncRecord> = {}): SyncRecord => ({
  node: "edge-1",
  apiVersion: "v1",
  kind: "Pod",
  namespace: "default",
  name: "p",
  uid: "u1",
  version: "10",
  ...facts,
});
const held = (facts: Partial<HeldObject> = {}): HeldObject => ({ ...heldAccordingTo(record()), ...facts });
const all = Array.from({ length: 64 }, (_, bucket) => bucket);

const cases: { name: string; records: SyncRecord[]; list: Parameters<typeof planDigestRepair>[1]; plan: unknown[] }[] =
  [
    { name: "says nothing of what both know", records: [record()], list: { buckets: all, held: [held()] }, plan: [] },
    {
      name: "finds what the node lost",
      records: [record()],
      list: { buckets: all, held: [] },
      plan: [{ kind: "lost", record: record() }],
    },
    {
      name: "finds what went back to an older state",
      records: [record()],
      list: { buckets: all, held: [held({ version: "9" })] },
      plan: [{ kind: "lost", record: record() }],
    },
    {
      name: "leaves a node alone that is ahead of its record",
      records: [record()],
      list: { buckets: all, held: [held({ version: "11" })] },
      plan: [],
    },
    {
      name: "leaves alone what is on its way",
      records: [record({ version: "0" })],
      list: { buckets: all, held: [] },
      plan: [],
    },
    {
      name: "finds what nobody recorded",
      records: [],
      list: { buckets: all, held: [held()] },
      plan: [{ kind: "unrecorded", held: held() }],
    },
    {
      name: "tells an object from its successor of the same name",
      records: [record({ uid: "u2" })],
      list: { buckets: all, held: [held()] },
      plan: [
        { kind: "lost", record: record({ uid: "u2" }) },
        { kind: "unrecorded", held: held() },
      ],
    },
    {
      name: "does not take for lost what a cut list leaves out",
      records: [record()],
      list: { buckets: all, held: [], more: true },
      plan: [],
    },
    {
      name: "looks at the buckets that were listed only",
      records: [record()],
      list: { buckets: all.filter((bucket) => bucket !== bucketOf(held())), held: [] },
      plan: [],
    },
  ];
for (const { name, records, list, plan } of cases)
  test(name, () => assert.deepEqual(planDigestRepair(records, list), plan));

test("kinds that no node keeps in step are not compared", () => {
  assert.deepEqual(comparedRecords([record({ kind: "Gateway" }), record()]), [record()]);
});
