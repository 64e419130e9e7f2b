import assert from "node:assert/strict";
import { test } from "node:test";
import type { RuntimeService } from "@kedge/cri";
import { type Clock, systemClock } from "@kedge/runtime";
import { pod } from "./pod.test-data.ts";
import { PodView } from "./pod-view.ts";

const EXITED = 2;
const MS = 1_000_000n;

/** A runtime with one container that ended at 1 s, and says why only later. */
function setUp() {
  const time = { ms: 1_000 };
  const clock: Clock = { ...systemClock, now: () => time.ms };
  const asked = { statuses: 0, reason: "Error" };
  const runtime = {
    listPodSandboxes: async () => [],
    listContainers: async () => [{ id: "c1", podSandboxId: "s1" }],
    containerStatus: async () => {
      asked.statuses += 1;
      const common = { id: "c1", labels: {}, annotations: {}, mounts: [], logPath: "", message: "", imageRef: "" };
      const times = { createdAt: 1n * MS, startedAt: 2n * MS, finishedAt: 1_000n * MS };
      return { ...common, ...times, state: EXITED, exitCode: 137, reason: asked.reason };
    },
  } as unknown as RuntimeService;
  return { time, asked, view: new PodView(pod(), runtime, clock) };
}

const signal = AbortSignal.timeout(10_000);

test("why a container ended is learned even if the runtime knows it later", async () => {
  const { asked, view } = setUp();
  await view.read(1, signal);
  assert.equal(view.pod.containers[0]?.reason, "Error");
  asked.reason = "OOMKilled";
  await view.read(1, signal);
  assert.equal(view.pod.containers[0]?.reason, "OOMKilled");
});

test("a container that ended a while ago is asked for once", async () => {
  const { time, asked, view } = setUp();
  time.ms += 3_000;
  for (let time = 0; time < 3; time += 1) await view.read(1, signal);
  assert.equal(asked.statuses, 1);
  assert.ok(view.knows("c1"));
});
