import assert from "node:assert/strict";
import { test } from "node:test";
import type { CSINode, KubeObject } from "@kedge/kube";
import { answer, apiError, MetaManagerBed } from "./metamanager-bed.test-data.ts";

const claim = (phase: string, resourceVersion: string) => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { namespace: "default", name: "data", uid: "u1", resourceVersion },
  status: { phase },
});
const key = { namespace: "default", name: "data" };
const phaseOf = async (bed: MetaManagerBed) =>
  (await bed.bus.request("meta/getVolumeClaim", key, bed.signal))?.status?.phase;

test("a claim is asked of the cloud each time, and read from disk while that is away", async () => {
  await using bed = await MetaManagerBed.start();
  bed.cloud = (request) => answer(request, claim("Pending", "1"));
  assert.equal(await phaseOf(bed), "Pending");
  bed.cloud = (request) => answer(request, claim("Bound", "2"));
  assert.equal(await phaseOf(bed), "Bound");
  assert.deepEqual(
    bed.asked.map(({ route }) => [route.source, route.group, route.operation, route.resource]),
    Array.from({ length: 2 }, () => ["edged", "meta", "query", "default/persistentvolumeclaim/data"]),
  );
  assert.equal(bed.sent.length, 2, "such answers are acknowledged");
  bed.cloud = () => "away";
  assert.equal(await phaseOf(bed), "Bound");
  bed.cloud = (request) => answer(request, apiError("NotFound", 404));
  assert.equal(await phaseOf(bed), undefined);
  bed.cloud = () => "away";
  await assert.rejects(phaseOf(bed), { code: "NotConnected" });
});

test("what a node may not read is no claim that is not there", async () => {
  await using bed = await MetaManagerBed.start();
  bed.cloud = (request) => answer(request, apiError("Forbidden", 403));
  await assert.rejects(phaseOf(bed), { code: "Forbidden" });
});

test("W29: an attachment travels with a namespace, and is kept as a stock agent keeps it", async () => {
  await using bed = await MetaManagerBed.start();
  const attachment: KubeObject = { metadata: { name: "csi-1", uid: "u2", resourceVersion: "3" } };
  bed.cloud = (request) => answer(request, attachment);
  const found = await bed.bus.request("meta/getVolumeAttachment", { name: "csi-1" }, bed.signal);
  assert.equal(found?.metadata?.uid, "u2");
  assert.equal(bed.asked[0]?.route.resource, "default/volumeattachment/csi-1");
  assert.notEqual(bed.row("default/volumeattachment/csi-1"), undefined);
});

test("W-24: CSIDriver and CSINode objects are spoken of with our own cloud alone", async () => {
  await using bed = await MetaManagerBed.start();
  const csiNode: CSINode = { metadata: { name: "edge-1" }, spec: { drivers: [] } };
  bed.cloud = (request) =>
    answer(
      request,
      request.route.resource === "null/csinode/edge-1"
        ? { Object: csiNode, Err: null }
        : { metadata: { name: "d", uid: "u3", resourceVersion: "1" }, spec: {} },
    );
  const driver = () => bed.bus.request("meta/getCsiDriver", { name: "d" }, bed.signal);
  const publish = (partial: boolean) => bed.bus.request("meta/publishCsiNode", { csiNode, partial }, bed.signal);
  bed.bus.notify("hub/connection", { connected: true, agreed: false });
  await assert.rejects(driver(), { code: "NotSupported" });
  await assert.rejects(publish(false), { code: "NotSupported" });
  assert.equal(bed.asked.length, 0);
  bed.bus.notify("hub/connection", { connected: true, agreed: true });
  assert.equal((await driver())?.metadata?.name, "d");
  await publish(false);
  await publish(true);
  assert.deepEqual(
    bed.asked.map(({ route }) => `${route.operation} ${route.resource}`),
    ["query null/csidriver/d", "update null/csinode/edge-1", "insert null/csinode/edge-1"],
  );
  assert.equal(bed.sent.length, 0, "answers of these types are not repeated until acknowledged");
  bed.cloud = () => "away";
  bed.bus.notify("hub/connection", { connected: false });
  assert.equal((await driver())?.metadata?.name, "d");
});

test("W-24: the class of a pod's runtime is our own cloud's to say, and is known while that is away", async () => {
  await using bed = await MetaManagerBed.start();
  const runtimeClass = { metadata: { name: "sandboxed", uid: "u4", resourceVersion: "1" }, handler: "runsc" };
  bed.cloud = (request) => answer(request, runtimeClass);
  const ask = () => bed.bus.request("meta/getRuntimeClass", { name: "sandboxed" }, bed.signal);
  bed.bus.notify("hub/connection", { connected: true, agreed: false });
  await assert.rejects(ask(), { code: "NotSupported" });
  bed.bus.notify("hub/connection", { connected: true, agreed: true });
  assert.equal((await ask())?.handler, "runsc");
  assert.deepEqual(
    bed.asked.map(({ route }) => `${route.operation} ${route.resource}`),
    ["query null/runtimeclass/sandboxed"],
  );
  bed.cloud = () => "away";
  bed.bus.notify("hub/connection", { connected: false });
  assert.equal((await ask())?.handler, "runsc");
});
