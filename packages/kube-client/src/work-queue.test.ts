import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KubeApiError } from "@kedge/kube";
import { silentLogger } from "@kedge/runtime";
import { ManualClock, settle } from "./manual-clock.test-data.ts";
import { runController } from "./run-controller.ts";
import { WorkQueue } from "./work-queue.ts";

async function take(queue: WorkQueue<string>, count: number): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of queue.take(AbortSignal.timeout(1_000))) {
    keys.push(key);
    if (keys.length === count) break;
  }
  return keys;
}

test("holds each key once, in order", async () => {
  using queue = new WorkQueue<string>();
  for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
  assert.equal(queue.length, 3);
  assert.deepEqual(await take(queue, 3), ["a", "b", "c"]);
});

test("a key added while it is worked on comes again, and not before that work is done", async () => {
  using queue = new WorkQueue<string>();
  queue.add("a");
  await take(queue, 1);
  queue.add("a");
  queue.add("a");
  assert.equal(queue.length, 0);
  queue.done("a");
  assert.equal(queue.length, 1);
});

test("waits longer with each failure, up to a limit, and anew once it went well", async () => {
  const clock = new ManualClock();
  using queue = new WorkQueue<string>({ clock, retryInitialMs: 10, retryMaxMs: 40 });
  for (const waitMs of [10, 20, 40, 40]) {
    queue.addRateLimited("a");
    await clock.advance(waitMs - 1);
    assert.equal(queue.length, 0);
    await clock.advance(1);
    assert.deepEqual(await take(queue, 1), ["a"]);
    queue.done("a");
  }
  queue.forget("a");
  queue.addRateLimited("a");
  assert.deepEqual(clock.sleeping, [10]);
});

test("of two delays of a key the shorter counts, and one timer serves all", async () => {
  const clock = new ManualClock();
  using queue = new WorkQueue<string>({ clock });
  queue.addAfter("a", 100);
  queue.addAfter("a", 30);
  queue.addAfter("a", 60);
  queue.addAfter("b", 50);
  assert.deepEqual(clock.sleeping, [30]);
  await clock.advance(30);
  assert.deepEqual(clock.sleeping, [20]);
  await clock.advance(20);
  assert.deepEqual(await take(queue, 2), ["a", "b"]);
  assert.deepEqual(clock.sleeping, []);
});

test("waiting takers end with their signal", async () => {
  using queue = new WorkQueue<string>();
  const life = new AbortController();
  const taken = Array.fromAsync(queue.take(life.signal));
  life.abort();
  assert.deepEqual(await taken, []);
});

test("no key is lost and none is worked on twice at once, whatever the order of events", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (keys, workers) => {
        using queue = new WorkQueue<string>();
        const life = new AbortController();
        const working = new Set<string>();
        const added = new Map<string, number>();
        const seen = new Map<string, number>();
        let step = 0;
        const running = runController(
          queue,
          async (key) => {
            assert.ok(!working.has(key));
            working.add(key);
            seen.set(key, (step += 1));
            await settle();
            working.delete(key);
            return {};
          },
          silentLogger,
          life.signal,
          workers,
        );
        for (const key of keys) {
          added.set(key, (step += 1));
          queue.add(key);
          if (step % 3 === 0) await settle();
        }
        for (let turn = 0; turn < 30; turn += 1) await settle();
        for (const [key, at] of added) assert.ok((seen.get(key) ?? 0) > at, `${key} was not looked at again`);
        life.abort();
        await running;
      },
    ),
    { numRuns: 25 },
  );
});

test("a controller tries again what may heal, and leaves what will not", async () => {
  const clock = new ManualClock();
  using queue = new WorkQueue<string>({ clock, retryInitialMs: 10 });
  const life = new AbortController();
  const tries: string[] = [];
  const errors: Record<string, Error> = {
    conflict: new KubeApiError({ code: 409, reason: "Conflict" }),
    invalid: new KubeApiError({ code: 422, reason: "Invalid" }),
    unknown: new Error("who knows"),
  };
  const reconcile = (key: string) => {
    tries.push(key);
    const error = tries.filter((each) => each === key).length === 1 ? errors[key] : undefined;
    return error === undefined
      ? Promise.resolve({ requeueAfterMs: key === "unknown" ? 500 : undefined })
      : Promise.reject(error);
  };
  const running = runController(queue, reconcile, silentLogger, life.signal);
  for (const key of Object.keys(errors)) queue.add(key);
  await settle();
  assert.deepEqual(tries.splice(0), ["conflict", "invalid", "unknown"]);
  tries.push("conflict", "invalid", "unknown");
  await clock.advance(10);
  assert.deepEqual(tries.splice(3).sort(), ["conflict", "unknown"]);
  assert.deepEqual(clock.sleeping, [500]); // asked for by the one that went well
  life.abort();
  await running;
});
