import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Message } from "@kedge/protocol";
import { frame, MetaManagerBed } from "./metamanager-bed.test-data.ts";

const odd = fc.oneof(fc.string(), fc.constantFrom("", "null", "default", "..", "__proto__", "a/b", "\0", "pod"));
const object = fc.record(
  {
    metadata: fc.record(
      {
        name: fc.oneof(fc.constant("x"), odd, fc.integer()),
        namespace: fc.oneof(fc.constant("default"), odd),
        uid: fc.oneof(odd, fc.constant(null)),
        resourceVersion: fc.oneof(fc.nat().map(String), odd, fc.integer()),
      },
      { requiredKeys: [] },
    ),
    Object: fc.jsonValue(),
    Err: fc.jsonValue(),
    ErrStatus: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const messages: fc.Arbitrary<Message> = fc.record({
  header: fc.record(
    { msg_id: odd, parent_msg_id: odd, timestamp: fc.integer(), resourceversion: odd },
    { requiredKeys: ["msg_id", "timestamp"] },
  ),
  route: fc.record(
    {
      source: fc.oneof(fc.constantFrom("edgecontroller", "devicecontroller"), odd),
      group: fc.oneof(fc.constant("resource"), odd),
      operation: fc.oneof(fc.constantFrom("insert", "update", "delete", "response", "query", "patch"), odd),
      resource: fc.oneof(
        fc.constantFrom("default/pod/x", "default/device/x", "null/node/x", "default/configmap/x", "k8s/ca.crt"),
        fc.array(odd, { maxLength: 4 }).map((parts) => parts.join("/")),
      ),
    },
    { requiredKeys: [] },
  ),
  content: fc.oneof(object, fc.jsonValue()),
}) as fc.Arbitrary<Message>;

test("no message costs more than itself: no crash, no unreadable row, and the next one is served", async () => {
  await using bed = await MetaManagerBed.start();
  await fc.assert(
    fc.asyncProperty(messages, async (message) => {
      const reply = await bed.down(message);
      if (reply !== undefined) assert.ok(["response", "error"].includes(reply.route.operation ?? ""));
      for (const type of ["pod", "configmap", "node"]) {
        const rows = bed.db.prepare("SELECT count(*) AS n FROM meta WHERE type = ?").get(type)?.["n"];
        assert.equal((await bed.bus.request("meta/list", { type }, bed.signal)).length, rows);
      }
    }),
    { numRuns: 1_000 },
  );
  assert.equal((await bed.down(frame("pod_insert")))?.content, "OK");
});
