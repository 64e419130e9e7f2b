import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@kedge/runtime";
import { type EventExpiryConfig, EventExpiry } from "./event-expiry.ts";
import { RevisionLog } from "./revision-log.ts";
import { steppingClock } from "./stepping-clock.test-data.ts";

async function eventsAfter(config: EventExpiryConfig, ticks: number, events: number): Promise<string[]> {
  using log = RevisionLog.open(":memory:");
  for (let i = 0; i < events; i += 1)
    await log.write((writer) =>
      writer.create(`core/events/default/e${i}`, { apiVersion: "v1", kind: "Event", metadata: {} }),
    );
  await log.write((writer) => writer.create("core/pods/default/p", { apiVersion: "v1", kind: "Pod", metadata: {} }));
  const clock = steppingClock(ticks);
  await using _ = new EventExpiry(log, config, { clock, logger: silentLogger });
  await clock.done;
  assert.equal(log.count("core/pods/"), 1, "nothing else goes");
  return log.list("core/events/").map(({ key }) => key.slice(key.lastIndexOf("/") + 1));
}

test("events stay as long as they should, then go", async () => {
  const config = { keepMs: 3000, eventsMax: 100, intervalMs: 1000 };
  assert.equal((await eventsAfter(config, 3, 5)).length, 5);
  assert.deepEqual(await eventsAfter(config, 5, 5), []);
});

test("too many: the oldest go earlier", async () => {
  assert.deepEqual(await eventsAfter({ keepMs: 60_000, eventsMax: 2, intervalMs: 1000 }, 1, 5), ["e3", "e4"]);
});
