import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TestContainerd } from "@kedge/testing";
import { HOUSEKEEPING_DEFAULTS } from "../src/edged/housekeeping-config.ts";
import { podOf, SERVE, startTestEdged } from "./edged-harness.ts";
import { FakeLogind, TestBus } from "./fake-logind.ts";

const skip = TestContainerd.missing() || TestBus.missing();
const options = { timeout: 60_000, skip };
const scope = new AsyncDisposableStack();
let containerd: TestContainerd;

before(async () => {
  if (skip === false) containerd = scope.use(await TestContainerd.start());
});
after(() => scope.disposeAsync());

/** Ends only when it is killed. */
const STUBBORN = "trap '' TERM; while :; do sleep 3600 & wait; done";

test("pods end by priority before the machine goes down, and it may be called off", options, async () => {
  await using bus = await TestBus.start();
  await using logind = await FakeLogind.start(bus);
  const configDirectory = join(bus.directory, "logind.conf.d");
  const housekeeping = {
    ...HOUSEKEEPING_DEFAULTS,
    shutdown: [
      { priority: 0, graceSeconds: 4 },
      { priority: 2_000_000_000, graceSeconds: 6 },
    ],
    // A lock that records when it is taken and given back.
    logind: {
      busAddress: bus.address,
      configDirectory,
      inhibitCommand: [
        "sh",
        "-c",
        `echo taken >> ${bus.directory}/lock; "$@"; echo released >> ${bus.directory}/lock`,
        "-",
      ],
    },
  };
  await using edged = await startTestEdged(containerd, { housekeeping });
  const { meta } = edged;
  meta.apply(podOf("quick", SERVE));
  meta.apply(podOf("stubborn", STUBBORN, { terminationGracePeriodSeconds: 60 }));
  meta.apply(podOf("critical", SERVE, { priority: 2_000_001_000 }));
  for (const name of ["quick", "stubborn", "critical"]) await meta.untilReady(name);
  const locked = () => readFile(join(bus.directory, "lock"), "utf8").catch(() => "");
  await until(async () => (await locked()) === "taken\n");
  // 5 s were too short for all of them.
  assert.equal(await readFile(join(configDirectory, "99-kubelet.conf"), "utf8"), "[Login]\nInhibitDelayMaxSec=10\n");
  assert.ok(logind.calls.includes("KillUnit systemd-logind.service all 1"), logind.calls.join());

  logind.prepareForShutdown(true);
  const message = "Pod was terminated in response to imminent node shutdown.";
  for (const name of ["quick", "stubborn", "critical"]) {
    const { status } = await meta.untilPhase(name, "Failed");
    assert.equal(status?.reason, "Terminated");
    assert.equal(status.message, message);
    const target = status.conditions?.find(({ type }) => type === "DisruptionTarget");
    assert.equal(target?.reason, "TerminationByKubelet");
    // The critical one waited for the others, of which one took all its time.
    if (name === "quick") assert.equal(meta.get("critical")?.status?.phase, "Running");
  }
  assert.deepEqual(edged.nodeHealth()?.errors, ["node is shutting down"]);
  await until(async () => (await locked()) === "taken\nreleased\n");
  meta.apply(podOf("late", SERVE));
  assert.equal((await meta.untilPhase("late", "Failed")).status?.reason, "NodeShutdown");

  logind.prepareForShutdown(false);
  await until(async () => (await locked()) === "taken\nreleased\ntaken\n");
  assert.deepEqual(edged.nodeHealth()?.errors, []);
  meta.apply(podOf("after", SERVE));
  await meta.untilReady("after");
  const told = meta.events.filter(({ reason }) => reason === "NodeShutdown").map((event) => event.message);
  assert.deepEqual(told.slice(0, 1), ["Shutdown manager detected shutdown event"]);
  assert.ok(told.includes("Shutdown manager detected shutdown cancellation"));
  assert.equal(meta.get("quick")?.status?.phase, "Failed");
});

test("without logind SIGPWR ends the pods, and then the agent", options, async () => {
  const housekeeping = {
    ...HOUSEKEEPING_DEFAULTS,
    shutdown: [{ priority: 0, graceSeconds: 4 }],
    logind: { ...HOUSEKEEPING_DEFAULTS.logind, busAddress: "unix:path=/nonexistent/bus" },
  };
  await using edged = await startTestEdged(containerd, { housekeeping });
  const { meta } = edged;
  meta.apply(podOf("powered", SERVE));
  await meta.untilReady("powered");
  const stopped = new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
  process.kill(process.pid, "SIGPWR");
  const { status } = await meta.untilPhase("powered", "Failed");
  assert.equal(status?.reason, "Terminated");
  await stopped;
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(20_000);
  while (!(await isTrue())) {
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
