import assert from "node:assert/strict";
import { test } from "node:test";
import { deferred } from "@kedge/runtime";
import { PullGate } from "./pull-gate.ts";

const options = { timeout: 5_000 };
const never = new AbortController().signal;

test("lets so many in at once, the others in their order", options, async () => {
  const gate = new PullGate(1);
  const order: string[] = [];
  const first = deferred();
  const works = ["a", "b", "c"].map((name) =>
    gate.run(async () => {
      order.push(name);
      if (name === "a") await first.promise;
    }, never),
  );
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ["a"]);
  first.resolve();
  await Promise.all(works);
  assert.deepEqual(order, ["a", "b", "c"]);
});

test("who gives up leaves the queue, who fails leaves the slot", options, async () => {
  const gate = new PullGate(1);
  const hold = deferred();
  const life = new AbortController();
  const holder = gate.run(() => hold.promise, never);
  const waiter = gate.run(() => Promise.resolve(), life.signal);
  life.abort(new Error("gave up"));
  await assert.rejects(waiter, /gave up/);
  hold.reject(new Error("broke"));
  await assert.rejects(holder, /broke/);
  await gate.run(() => Promise.resolve(), never);
});
