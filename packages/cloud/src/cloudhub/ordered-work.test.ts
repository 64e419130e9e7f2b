import assert from "node:assert/strict";
import { test } from "node:test";
import { CONCURRENCY_MAX, CONCURRENCY_OF_NODE_MAX, OrderedWork } from "./ordered-work.ts";

test("keeps the order within a lane, and does lanes at once", async () => {
  const work = new OrderedWork();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const slow = work.run("n", "a", async () => {
    await gate.promise;
    done.push("a1");
  });
  const next = work.run("n", "a", async () => void done.push("a2"));
  await work.run("n", "b", async () => void done.push("b1"));
  gate.resolve();
  await Promise.all([slow, next]);
  assert.deepEqual(done, ["b1", "a1", "a2"]);
});

test("does only so much at once", async () => {
  const work = new OrderedWork();
  let [running, most] = [0, 0];
  await Promise.all(
    Array.from({ length: 4 * CONCURRENCY_MAX }, (_, at) =>
      work.run(String(at), String(at), (limited) =>
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

test("a node with much to do leaves room for the others", async () => {
  const work = new OrderedWork();
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const greedy = Array.from({ length: 2 * CONCURRENCY_MAX }, (_, at) =>
    work.run("greedy", `greedy ${at}`, (limited) =>
      limited(async () => {
        begun += 1;
        await gate.promise;
      }),
    ),
  );
  await work.run("modest", "modest", (limited) => limited(() => Promise.resolve()));
  assert.equal(begun, CONCURRENCY_OF_NODE_MAX);
  gate.resolve();
  await Promise.all(greedy);
  assert.equal(begun, greedy.length);
});
