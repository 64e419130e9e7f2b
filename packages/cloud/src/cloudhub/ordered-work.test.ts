import assert from "node:assert/strict";
import { test } from "node:test";
import { CONCURRENCY_MAX, OrderedWork } from "./ordered-work.ts";

test("keeps the order within a lane, and does lanes at once", async () => {
  const work = new OrderedWork();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const slow = work.run("a", async () => {
    await gate.promise;
    done.push("a1");
  });
  const next = work.run("a", async () => void done.push("a2"));
  await work.run("b", async () => void done.push("b1"));
  gate.resolve();
  await Promise.all([slow, next]);
  assert.deepEqual(done, ["b1", "a1", "a2"]);
});

test("does only so much at once", async () => {
  const work = new OrderedWork();
  let [running, most] = [0, 0];
  await Promise.all(
    Array.from({ length: 4 * CONCURRENCY_MAX }, (_, at) =>
      work.run(String(at), (limited) =>
        limited(async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise(setImmediate);
          running -= 1;
        }),
      ),
    ),
  );
  assert.equal(most, CONCURRENCY_MAX);
});
