import assert from "node:assert/strict";
import { test } from "node:test";
import { TestContainerd } from "@kedge/testing";
import { podOf, SERVE, startTestEdged } from "./edged-harness.ts";

const options = { timeout: 60_000, skip: TestContainerd.missing() };

test("runs a pod's container, reports it, and ends it", options, async () => {
  await using containerd = await TestContainerd.start();
  await using edged = await startTestEdged(containerd);
  const { meta } = edged;
  meta.apply(podOf("web", SERVE));
  const pod = await meta.untilReady("web");
  assert.equal(pod.status?.phase, "Running");
  meta.delete({ namespace: "default", name: "web" });
  await meta.untilGone("web");
});
