import assert from "node:assert/strict";
import { test } from "node:test";
import { deletionConditions, isEmpty, type Remains } from "./plan-namespace-deletion.ts";

const nothing: Remains = { resources: new Map(), finalizers: new Map(), discoveryErrors: [], contentErrors: [] };

test("a namespace is empty only if everybody could be asked", () => {
  assert.equal(isEmpty(nothing), true);
  assert.equal(isEmpty({ ...nothing, discoveryErrors: ["metrics.k8s.io/v1: down"] }), false);
  assert.equal(isEmpty({ ...nothing, contentErrors: ["pods.: refused"] }), false);
  assert.equal(isEmpty({ ...nothing, resources: new Map([["pods.", 1]]) }), false);
});

test("tells users what keeps a namespace, and since when", () => {
  const remains = { ...nothing, resources: new Map([["pods.", 2]]), finalizers: new Map([["x.io/hold", 1]]) };
  const conditions = deletionConditions({}, remains, "2026-01-01T00:00:00Z");
  assert.deepEqual(
    conditions.map(({ type, status, message }) => [type, status, message]),
    [
      ["NamespaceDeletionDiscoveryFailure", "False", "All resources successfully discovered"],
      ["NamespaceDeletionContentFailure", "False", "All content successfully deleted, may be waiting on finalization"],
      ["NamespaceContentRemaining", "True", "Some resources are remaining: pods. has 2 resource instances"],
      [
        "NamespaceFinalizersRemaining",
        "True",
        "Some content in the namespace has finalizers remaining: x.io/hold in 1 resource instances",
      ],
    ],
  );
  const later = deletionConditions({ status: { conditions } }, nothing, "2026-01-01T00:01:00Z");
  assert.deepEqual(
    later.map(({ lastTransitionTime }) => lastTransitionTime?.slice(14, 16)),
    ["00", "00", "01", "01"],
  );
});
