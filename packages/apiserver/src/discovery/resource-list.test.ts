import assert from "node:assert/strict";
import { test } from "node:test";
import { compareApiVersions } from "./resource-list.ts";

test("announces versions in Kubernetes' order of preference", () => {
  const versions = [
    "v1alpha1",
    "foo1",
    "v1",
    "v11beta2",
    "v2",
    "v10",
    "v1beta1",
    "v3alpha1",
    "foo10",
    "v11alpha2",
    "v10beta3",
  ];
  assert.deepEqual(versions.toSorted(compareApiVersions), [
    "v10",
    "v2",
    "v1",
    "v11beta2",
    "v10beta3",
    "v1beta1",
    "v11alpha2",
    "v3alpha1",
    "v1alpha1",
    "foo1",
    "foo10",
  ]);
});
