import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compareResourceVersions } from "@kedge/kube";
import { FaultEdge, type Journal } from "./fault-edge.ts";
import { FAULTS, planFaults } from "./fault-plan.ts";
import { FaultWorld, NODE } from "./fault-world.ts";

/** `./kedge test --faults`: 100,000 tagged messages over twenty seeds. In `./kedge test` a short form. */
const long = process.env["KEDGE_FAULTS"] === "long";
const [SEEDS, MESSAGES] = long ? [20, 5_010] : [2, 400];
const SETTLED_MS = 90_000;
/** Records of busy objects are written every 30 s. */
const RECORDED_MS = 60_000;
/** Between two looks at what still waits. */
const AT_REST_MS = 5_000;
const POLL_MS = 200;
const [only] = [process.env["KEDGE_SEED"]];
const first = Math.floor(Math.random() * 1e9);
const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, n) => first + n) : [Number(only)];

describe("faults at random moments", { skip: FaultEdge.missing(), concurrency: long ? 2 : 1 }, () => {
  for (const seed of seeds)
    test(`W36: nothing accepted is lost, nothing is applied twice, both ends agree: seed ${seed}`, async (t) => {
      const plan = planFaults(seed, MESSAGES, FAULTS);
      t.diagnostic(`KEDGE_SEED=${seed}: ${plan.steps.map(({ fault }) => fault).join(" ")}`);
      const started = performance.now();
      await using world = await FaultWorld.start(plan);
      let target = 0;
      for (const { afterMessages, fault, lastsMs } of plan.steps) {
        target += afterMessages;
        await world.untilTried(target);
        await world.inflict(fault, lastsMs);
      }
      await world.untilTried(Infinity);
      await settle(world);
      const memory = await world.memory();
      await stopAtRest(world);
      const journal = world.edge.journal();
      assert.deepEqual(world.observer.violations, []);
      const lost = [...journal.accepted].filter((tag) => !world.observer.tags.has(tag));
      assert.deepEqual(lost, [], "accepted and lost");
      assert.equal(world.edge.waiting(), 0, "nothing waits any more");
      assertForward(journal);
      assert.deepEqual(
        new Map([...world.edge.rows("configmap")].filter(([key]) => key.includes("/cm-"))),
        await world.downstream.state(),
        "the node holds what the cluster holds",
      );
      await agree(world);
      const seconds = Math.round((performance.now() - started) / 1000);
      t.diagnostic(
        `${journal.accepted.size} accepted, ${world.observer.arrived} arrived, ${seconds} s, cloudcore ${memory.cloud} MB, agent ${memory.edge} MB`,
      );
    });
});

/** Both ends come to rest: all that was accepted is there, and the node has all that it should have. */
async function settle({ observer, edge, downstream, cloud }: FaultWorld): Promise<void> {
  const { accepted, lastTwin } = edge.journal();
  const all = () => [...accepted].every((tag) => observer.tags.has(tag)) && observer.twin >= lastTwin;
  const arrived = await observer.until(all, SETTLED_MS);
  const lost = [...accepted].filter((tag) => !observer.tags.has(tag));
  assert.ok(
    arrived,
    `after ${SETTLED_MS / 1000} s ${lost.length} accepted messages are missing (${lost.slice(0, 10).join()}), the twin is ${observer.twin} of ${lastTwin}\n${edge.logTail()}\n${cloud.logTail()}`,
  );
  const late = performance.now() + SETTLED_MS;
  for (;;) {
    const should = await downstream.state();
    const is = lastStates(edge.journal());
    const differing = [...should].filter(([key, { version }]) => is.get(key) !== version).map(([key]) => key);
    if (differing.length === 0) return;
    if (performance.now() > late)
      assert.fail(`the node does not have the newest of ${differing.join()}\n${edge.logTail()}\n${cloud.logTail()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS)); // the agent's journal grows: nothing tells us when
  }
}

/** What has arrived must also be told to have; while the agent runs its database is its alone. */
async function stopAtRest({ edge }: FaultWorld): Promise<void> {
  const late = performance.now() + SETTLED_MS;
  for (;;) {
    await edge.stop();
    if (edge.waiting() === 0 || performance.now() > late) return;
    edge.startAgent();
    await new Promise((resolve) => setTimeout(resolve, AT_REST_MS)); // time to connect, and to hear what is done
  }
}

/** The agent has stopped; the cloud's records may yet have to be written. */
async function agree({ edge, cloud }: FaultWorld): Promise<void> {
  const held = edge.digest();
  const late = performance.now() + RECORDED_MS;
  for (;;) {
    const recorded = await cloud.recordedDigest(NODE);
    if (recorded === held) return;
    if (performance.now() > late) assert.equal(recorded, held, "both ends have the same digest");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS)); // records are written some seconds later
  }
}

function lastStates({ objects }: Journal): Map<string, string> {
  return new Map([...objects].map(([key, states]) => [key.replace("/", "/configmap/"), states.at(-1)?.version ?? ""]));
}

/** Of each life of an object, later states only follow earlier ones. */
function assertForward({ objects }: Journal): void {
  for (const [key, states] of objects) {
    const newest = new Map<string, string>();
    for (const { uid, version } of states) {
      if (uid === "gone") continue;
      const before = newest.get(uid);
      assert.ok(
        before === undefined || compareResourceVersions(version, before) >= 0,
        `${key} went back from ${before} to ${version}`,
      );
      newest.set(uid, version);
    }
  }
}
