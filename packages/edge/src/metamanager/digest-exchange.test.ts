import assert from "node:assert/strict";
import { test } from "node:test";
import {
  digestAnswer,
  digestOf,
  type DigestQuestion,
  digestRoot,
  type HeldObject,
  type Message,
  OK,
  readDigestQuestion,
} from "@kedge/protocol";
import { type Clock, systemClock } from "@kedge/runtime";
import { answer, MetaManagerBed, pod } from "./metamanager-bed.test-data.ts";

/** Waits end when the test says so. */
class StepClock implements Clock {
  readonly now = () => systemClock.now();
  readonly monotonic = () => systemClock.monotonic();
  #waiting: { ms: number; wake: () => void } | undefined;
  #came = Promise.withResolvers<void>();

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      this.#waiting = { ms, wake: resolve };
      this.#came.resolve();
    });
  }

  /** Ends the next wait. @returns how long it was to be. */
  async step(): Promise<number> {
    while (this.#waiting === undefined) {
      this.#came = Promise.withResolvers();
      await this.#came.promise;
    }
    const { ms, wake } = this.#waiting;
    this.#waiting = undefined;
    wake();
    return ms;
  }
}

const held = (name: string, uid: string, version: string): HeldObject => ({
  type: "pod",
  namespace: "default",
  name,
  uid,
  version,
});

/** A cloud that believes the node to hold `believed`. */
function believing(believed: HeldObject[], questions: DigestQuestion[]) {
  return (message: Message): Message => {
    if (message.route.operation !== "digest") return answer(message, null);
    const question = readDigestQuestion(message);
    questions.push(question);
    const digest = digestOf(believed);
    const same = !("root" in question) || question.root === digestRoot(digest);
    const reply = digestAnswer("edge-1", message, same ? OK : { buckets: digest.buckets });
    return { ...reply, route: { ...reply.route, resource: "kedge/digest" } };
  };
}

test("a node in step says its root only, at first soon and then every few minutes", async () => {
  const clock = new StepClock();
  await using bed = await MetaManagerBed.start(":memory:", clock);
  await bed.push("insert", "pod", pod("a", "u1", "9"));
  const questions: DigestQuestion[] = [];
  bed.cloud = believing([held("a", "u1", "9")], questions);
  bed.bus.notify("hub/connection", { connected: true, agreed: true });
  const first = await clock.step();
  const second = await clock.step();
  assert.ok(first >= 10_000 && first <= 13_000, String(first));
  assert.ok(second >= 300_000 && second <= 390_000, String(second));
  assert.deepEqual(
    questions.map((question) => Object.keys(question)),
    questions.map(() => ["root"]),
  );
});

test("a node that differs lists what it holds in the buckets that differ, and asks again soon", async () => {
  const clock = new StepClock();
  await using bed = await MetaManagerBed.start(":memory:", clock);
  await bed.push("insert", "pod", pod("a", "u1", "9"));
  await bed.push("insert", "pod", pod("b", "u2", "9"));
  const questions: DigestQuestion[] = [];
  bed.cloud = believing([held("a", "u1", "9"), held("b", "u2", "10")], questions);
  bed.bus.notify("hub/connection", { connected: true, agreed: true });
  await clock.step();
  const again = await clock.step();
  assert.ok(again >= 30_000 && again <= 39_000, String(again));
  const [, list] = questions;
  assert.ok(list !== undefined && "held" in list);
  assert.deepEqual(list.held, [held("b", "u2", "9")]);
  // A difference that stays is no reason to talk more and more.
  const later = [await clock.step(), await clock.step(), await clock.step(), await clock.step()];
  assert.ok((later.at(-1) ?? 0) >= 240_000, later.join());
});

test("with a stock cloud nothing of this is said", async () => {
  const clock = new StepClock();
  await using bed = await MetaManagerBed.start(":memory:", clock);
  bed.bus.notify("hub/connection", { connected: true, agreed: false });
  bed.bus.notify("hub/connection", { connected: false, agreed: false });
  assert.deepEqual(bed.asked, []);
});

test("what the cloud answers otherwise is told once, and tried again", async () => {
  const clock = new StepClock();
  await using bed = await MetaManagerBed.start(":memory:", clock);
  bed.cloud = (message) => answer(message, { buckets: "many" });
  bed.bus.notify("hub/connection", { connected: true, agreed: true });
  await clock.step();
  assert.ok((await clock.step()) >= 300_000);
});
