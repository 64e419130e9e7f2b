import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, silentLogger } from "@kedge/runtime";
import { type EventExpiryConfig, EventExpiry } from "./event-expiry.ts";
import { RevisionLog } from "./revision-log.ts";

/** A clock that goes on by `ms` at each sleep, for `ticks` sleeps; then it stands still. */
function steppingClock(ticks: number): Clock & { readonly done: Promise<void> } {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let now = 0;
  let left = ticks;
  return {
    done,
    now: () => now,
    monotonic: () => now,
    async sleep(ms, signal) {
      if (left === 0) {
        resolve();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      }
      left -= 1;
      now += ms;
    },
  };
}

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
