import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BadRequest, decodeTwinUpdate, type TwinRequest } from "./decode-twin-request.ts";
import { SIDES, type StoredTwin } from "./stored-twin.ts";
import { planTwinSync } from "./sync-twin.ts";
import { twinDelta } from "./twin-delta.ts";
import type { TwinVersion } from "./twin-payloads.ts";
import { planTwinUpdate } from "./update-twin.ts";

const value = fc.constantFrom("", "1", "2", "x", "true");
const version = fc.record({ cloud: fc.nat(4), edge: fc.nat(4) });
const request: fc.Arbitrary<TwinRequest> = fc.record(
  {
    expected: value,
    actual: value,
    optional: fc.boolean(),
    type: fc.constantFrom("string", "int", "boolean", "deleted", "double"),
    expectedVersion: version,
    actualVersion: version,
  },
  { requiredKeys: [] },
);
const step = fc.record({ sync: fc.boolean(), request: fc.option(request) });

test("however updates and syncs mix: versions only grow, and nothing else than the plan is told", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let stored: StoredTwin | undefined;
      for (const [now, { sync, request: wanted }] of steps.entries()) {
        const plan = sync
          ? planTwinSync("t", stored, wanted, now).changed
          : changedBy(planTwinUpdate("t", stored, wanted, now));
        if (plan === undefined) continue;
        for (const side of SIDES) assert.ok(grows(stored?.[side].version, plan.twin[side].version));
        assert.equal(plan.document.current === null, plan.twin.type === "deleted");
        assert.ok(stored === undefined || stored.optional || !plan.twin.optional, "never optional again");
        stored = plan.twin;
      }
      const delta = stored === undefined ? undefined : twinDelta([stored]);
      if (delta !== undefined) assert.deepEqual(delta.delta, { t: stored?.expected.value });
    }),
    { numRuns: 500 },
  );
});

function grows(before: TwinVersion | undefined, after: TwinVersion | undefined): boolean {
  return before === undefined || (after !== undefined && after.edge >= before.edge && after.cloud >= before.cloud);
}

function changedBy(plan: ReturnType<typeof planTwinUpdate>) {
  return plan.kind === "changed" ? plan : undefined;
}

test("whatever is sent, it is a request or refused; nothing else is thrown", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.record({ twin: fc.dictionary(fc.string(), fc.jsonValue()) }).map((body) => JSON.stringify(body)),
      ),
      (payload) => {
        try {
          decodeTwinUpdate(payload);
        } catch (error) {
          assert.ok(error instanceof BadRequest, String(error));
        }
      },
    ),
    { numRuns: 1000 },
  );
});
