import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import { mergePodStatus } from "./merge-pod-status.ts";

const pod: Pod = {
  spec: { containers: [], initContainers: [{ name: "one" }, { name: "two" }] },
  status: {
    startTime: "2025-01-01T00:00:00Z",
    conditions: [
      { type: "Ready", status: "True", lastTransitionTime: "2025-01-01T00:00:01Z" },
      { type: "Initialized", status: "False", lastTransitionTime: "2025-01-01T00:00:02Z" },
    ],
  },
};

test("keeps times while nothing changed, and whole seconds", () => {
  const { startTime, conditions } = mergePodStatus(pod, {
    startTime: "2025-01-02T00:00:00.5Z",
    conditions: [
      { type: "Ready", status: "True", lastTransitionTime: "2025-01-02T00:00:00.123Z" },
      { type: "Initialized", status: "True", lastTransitionTime: "2025-01-02T00:00:00.123Z" },
    ],
  });
  assert.equal(startTime, "2025-01-01T00:00:00Z");
  assert.deepEqual(
    conditions?.map(({ lastTransitionTime }) => lastTransitionTime),
    ["2025-01-01T00:00:01Z", "2025-01-02T00:00:00Z"],
  );
});

test("orders containers by name and init containers as in the spec", () => {
  const status = (name: string) => ({ name, image: "", imageID: "", ready: true, restartCount: 0 });
  const merged = mergePodStatus(pod, {
    containerStatuses: [status("b"), status("a")],
    initContainerStatuses: [status("two"), status("one")],
  });
  assert.deepEqual(
    merged.containerStatuses?.map(({ name }) => name),
    ["a", "b"],
  );
  assert.deepEqual(
    merged.initContainerStatuses?.map(({ name }) => name),
    ["one", "two"],
  );
});
