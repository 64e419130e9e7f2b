import assert from "node:assert/strict";
import { test } from "node:test";
import { record, runtime, sandbox } from "../pods/pod.test-data.ts";
import { superfluous } from "./remove-dead.ts";

const idsOf = (state: Parameters<typeof superfluous>[0]) => {
  const { containers, sandboxIds } = superfluous(state, { perContainerMax: 1, nodeMax: -1, ageMinMs: 0 }, Date.now());
  return { containers: containers.map(({ id }) => id), sandboxIds };
};

test("keeps the newest dead container of each name, and all that live", () => {
  const records = [
    record("app", "running", { id: "a3" }),
    record("app", "exited", { id: "a2" }),
    record("app", "exited", { id: "a1" }),
    record("init", "exited", { id: "i1" }),
    record("app", "created", { id: "a0" }),
  ];
  assert.deepEqual(idsOf(runtime(records)), { containers: ["a1", "a0"], sandboxIds: [] });
});

test("removes old sandboxes once no kept container is in them", () => {
  const sandboxes = [
    sandbox({ id: "s3", attempt: 3 }),
    sandbox({ id: "s2", attempt: 2, ready: false }),
    sandbox({ id: "s1", attempt: 1, ready: false }),
  ];
  const records = [
    record("app", "running", { id: "a3", sandboxId: "s3" }),
    record("app", "exited", { id: "a2", sandboxId: "s2" }),
    record("app", "exited", { id: "a1", sandboxId: "s1" }),
  ];
  assert.deepEqual(idsOf(runtime(records, sandboxes)), { containers: ["a1"], sandboxIds: ["s1"] });
});

test("keeps the newest sandbox, ready or not: it tells the next attempt", () => {
  assert.deepEqual(idsOf(runtime([], [sandbox({ ready: false })])), { containers: [], sandboxIds: [] });
});
