import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lease } from "@kedge/kube";
import { CodedError } from "@kedge/runtime";
import { answer, frame, MetaManagerBed } from "./metamanager-bed.test-data.ts";

class HubFailure extends CodedError<{ readonly code: string }> {}

test("a lease that a cloud of ours has written is only renewed; whatever that meets, the long way is left", async () => {
  await using bed = await MetaManagerBed.start();
  bed.cloud = (request) => answer(request, frame("resp_lease_ok").content);
  const key = { namespace: "kube-node-lease", name: "edge-1" };
  const lease = (renewTime: string, leaseDurationSeconds = 40): Lease => ({
    metadata: key,
    spec: { holderIdentity: "edge-1", leaseDurationSeconds, renewTime },
  });
  const update = (next: Lease) => bed.bus.request("meta/updateLease", next, bed.signal);
  let renewed = 0;
  let refusal: string | undefined;
  bed.bus.handle("hub/renewLease", () => {
    if (refusal !== undefined) throw new HubFailure("no", { code: refusal });
    renewed += 1;
  });
  await update(lease("1"));
  assert.deepEqual([bed.asked.length, renewed], [1, 0], "the cloud does not know it yet");
  assert.deepEqual(await update(lease("2")), lease("2"));
  assert.deepEqual([bed.asked.length, renewed], [1, 1]);
  await update(lease("3", 41));
  assert.deepEqual([bed.asked.length, renewed], [2, 1], "it is another lease");
  for (const code of ["LeaseRefused", "Timeout", "NotConnected", "NotSupported"]) {
    refusal = code;
    const before = bed.asked.length;
    await update(lease("4", 41));
    assert.equal(bed.asked.length, before + 1, code);
  }
  refusal = undefined;
  await update(lease("5", 41));
  assert.equal(renewed, 2);
});
