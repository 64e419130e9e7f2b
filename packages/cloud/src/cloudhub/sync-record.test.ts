import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeOfRecord, readRecord, syncedObjectOf } from "./sync-record.ts";

test("the node is all before the last dot, since nodes' names may have dots", () => {
  assert.equal(nodeOfRecord("edge.site.example.11111111-2222-4333-8444-555555555555"), "edge.site.example");
  assert.equal(nodeOfRecord("nodot"), "");
});

test("W20: a record that a stock cloud left without version means that nothing was acknowledged", () => {
  const spec = { objectAPIVersion: "v1", objectKind: "Pod", objectName: "p" };
  const metadata = { name: "edge-1.u1", namespace: "default" };
  const record = {
    node: "edge-1",
    uid: "u1",
    namespace: "default",
    name: "p",
    apiVersion: "v1",
    kind: "Pod",
    version: "0",
  };
  assert.deepEqual(readRecord({ metadata, spec }), record);
  assert.deepEqual(readRecord({ metadata, spec, status: { objectResourceVersion: "" } }), record);
  assert.deepEqual(readRecord({ metadata, spec, status: { objectResourceVersion: "7" } }), { ...record, version: "7" });
});

test("W29: a cluster-scoped object has a cluster-scoped record, whatever its message's resource says", () => {
  const attachment = { apiVersion: "storage.k8s.io/v1", kind: "VolumeAttachment", metadata: { name: "va", uid: "u" } };
  assert.equal(syncedObjectOf(attachment)?.namespace, undefined);
});

test("W18: without UID there is no record", () => {
  for (const content of [
    null,
    "OK",
    7,
    {},
    { metadata: {} },
    { metadata: { name: "x" } },
    { metadata: { name: "x", uid: 7 } },
  ])
    assert.equal(syncedObjectOf(content), undefined);
});
