import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { deferred } from "@kedge/runtime";
import { answer, apiError, MetaManagerBed } from "./metamanager-bed.test-data.ts";

test("kept patches go several at once, the node's first", async () => {
  await using bed = await MetaManagerBed.start();
  const patch = '{"status":{}}';
  for (let n = 0; n < 20; n += 1) {
    const request = { key: { namespace: "default", name: `p${n}` }, patch };
    await assert.rejects(bed.bus.request("meta/patchPodStatus", request, bed.signal));
  }
  await assert.rejects(bed.bus.request("meta/patchNodeStatus", { name: "edge-1", patch }, bed.signal));
  bed.asked.length = 0;
  let atOnce = 0;
  let most = 0;
  const all = deferred();
  bed.delay = async () => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await setImmediate();
    atOnce -= 1;
    if (bed.asked.length === 21) all.resolve();
  };
  bed.cloud = (request) => answer(request, { Object: null, Err: apiError("NotFound", 404) });
  bed.bus.notify("hub/connection", { connected: true });
  await all.promise;
  assert.match(bed.asked[0]?.route.resource ?? "", /nodepatch/);
  assert.equal(most, 8);
});
