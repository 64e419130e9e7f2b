import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "@kedge/kube";
import type { SyncRecord } from "../cloudhub/sync-record.ts";
import { planObjectSync } from "./plan-object-sync.ts";

const record = (version: string): SyncRecord => ({
  node: "edge-1",
  uid: "u1",
  namespace: "default",
  name: "p",
  apiVersion: "v1",
  kind: "Pod",
  version,
});
const pod = (resourceVersion: string, uid = "u1"): KubeObject => ({ metadata: { name: "p", uid, resourceVersion } });

const cases = [
  { name: "compares versions as numbers, not text", object: pod("10"), acknowledged: "9", plan: "update" },
  { name: "says nothing of what is acknowledged", object: pod("10"), acknowledged: "10", plan: "none" },
  { name: "says nothing older", object: pod("9"), acknowledged: "10", plan: "none" },
  { name: "says what was never acknowledged", object: pod("1"), acknowledged: "0", plan: "update" },
  { name: "deletes what is gone from the API server", object: undefined, acknowledged: "5", plan: "delete" },
  {
    name: "deletes what was created anew under the same name",
    object: pod("9", "u2"),
    acknowledged: "5",
    plan: "delete",
  },
  { name: "W27: says what cannot be compared", object: pod("abc"), acknowledged: "5", plan: "update" },
];
for (const { name, object, acknowledged, plan } of cases)
  test(name, () => assert.equal(planObjectSync(object, record(acknowledged)), plan));
