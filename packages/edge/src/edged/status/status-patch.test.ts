import assert from "node:assert/strict";
import { test } from "node:test";
import { applyStrategicMergePatch, type Pod, POD_STATUS_PATCH_SCHEMA, type PodStatus } from "@kedge/kube";
import fc from "fast-check";
import { isSame, statusPatch } from "./status-patch.ts";

test("says nothing when nothing changed", () => {
  assert.equal(statusPatch("u", { phase: "Running", conditions: [] }, { phase: "Running" }), undefined);
});

test("names the uid, and only what changed", () => {
  const before: PodStatus = { phase: "Pending", hostIP: "h", message: "m" };
  const patch = statusPatch("u", before, { phase: "Running", hostIP: "h" });
  assert.deepEqual(JSON.parse(patch ?? ""), { metadata: { uid: "u" }, status: { phase: "Running", message: null } });
});

test("leaves what others report", () => {
  const before: PodStatus = { phase: "Running", nominatedNodeName: "n", resize: "Proposed" } as PodStatus;
  assert.equal(statusPatch("u", before, { phase: "Running" }), undefined);
});

test("does not delete conditions of others that came meanwhile", () => {
  const before: PodStatus = { conditions: [{ type: "example.com/up", status: "True" }] };
  assert.equal(statusPatch("u", before, { conditions: [] })?.includes("delete") ?? false, false);
});

const ips = fc.uniqueArray(fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3"), { maxLength: 3 });
const condition = fc.record(
  { status: fc.constantFrom("True", "False"), reason: fc.constantFrom("A", "B"), message: fc.constant("m") },
  { requiredKeys: ["status"] },
);
const status = fc
  .record(
    {
      phase: fc.constantFrom("Pending", "Running", "Failed"),
      reason: fc.constantFrom("R", "S"),
      podIPs: ips,
      conditions: fc.tuple(condition, condition),
      containerStatuses: fc.array(fc.record({ name: fc.constantFrom("a", "b"), restartCount: fc.nat(3) }), {
        maxLength: 2,
      }),
    },
    { requiredKeys: ["phase", "conditions"] },
  )
  .map(({ podIPs, conditions: [ready, initialized], ...rest }) => ({
    ...rest,
    ...(podIPs !== undefined && { podIPs: podIPs.map((ip) => ({ ip })) }),
    conditions: [
      { type: "Ready", ...ready },
      { type: "Initialized", ...initialized },
    ],
  }));

test("brings an API server from any status to any other", () => {
  fc.assert(
    fc.property(status, status, (before, after) => {
      const patch = statusPatch("u", before as PodStatus, after as PodStatus);
      const patched = applyStrategicMergePatch<Pod>(
        { status: before as PodStatus },
        JSON.parse(patch ?? "{}"),
        POD_STATUS_PATCH_SCHEMA,
      );
      const sorted = (value: PodStatus): PodStatus => ({
        ...value,
        podIPs: (value.podIPs ?? []).toSorted((a, b) => ((a.ip ?? "") < (b.ip ?? "") ? -1 : 1)),
      });
      assert.ok(isSame(sorted(patched.status ?? {}), sorted(after as PodStatus)), patch ?? "");
    }),
  );
});

test("the addresses that we tell are all that there are, whatever the API server had", () => {
  const addresses = (ip: string): PodStatus => ({ podIP: ip, podIPs: [{ ip }], hostIP: ip, hostIPs: [{ ip }] });
  const patch = statusPatch("u", {}, addresses("10.0.0.2")) ?? "";
  const had: Pod = { status: addresses("10.0.0.1") };
  const { status: has } = applyStrategicMergePatch<Pod>(had, JSON.parse(patch), POD_STATUS_PATCH_SCHEMA);
  assert.deepEqual(has, addresses("10.0.0.2"));
});

test("another order of conditions is no news", () => {
  const [ready, target] = [
    { type: "Ready", status: "True" },
    { type: "DisruptionTarget", status: "True" },
  ];
  assert.equal(statusPatch("u", { conditions: [target, ready] }, { conditions: [ready, target] }), undefined);
});
