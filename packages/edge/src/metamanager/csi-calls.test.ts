import assert from "node:assert/strict";
import { test } from "node:test";
import { frame, MetaManagerBed } from "./metamanager-bed.test-data.ts";

test("W-47: a call of a driver's controller is answered as KubeEdge answers it, without an ack", async () => {
  await using bed = await MetaManagerBed.start();
  const calls: unknown[] = [];
  const reply = frame("csi_createvolume_response");
  bed.bus.handle("edged/csiCall", (call) => {
    calls.push(call);
    return reply.content as object;
  });
  const request = frame("csi_createvolume");
  const answer = await bed.down(request);
  assert.deepEqual(calls, [{ operation: "createvolume", request: request.content }]);
  assert.deepEqual(answer?.route, reply.route);
  assert.deepEqual(answer.content, reply.content);
  assert.equal(answer.header.parent_msg_id, request.header.msg_id);
  assert.equal(bed.db.prepare("SELECT count(*) AS rows FROM meta").get()?.["rows"], 0, "nothing of it is stored");
});

test("what a driver refuses, and what is no call, is told to the cloud as an error", async () => {
  await using bed = await MetaManagerBed.start();
  bed.bus.handle("edged/csiCall", () => {
    throw new Error("no room");
  });
  const refused = await bed.down(frame("csi_createvolume"));
  assert.deepEqual([refused?.route.operation, refused?.content], ["error", "no room"]);
  const odd = await bed.down({ ...frame("csi_createvolume"), content: { name: 1 } });
  assert.equal(odd?.route.operation, "error");
});
