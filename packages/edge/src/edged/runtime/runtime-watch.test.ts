import assert from "node:assert/strict";
import { test } from "node:test";
import { CriError, type CriClient, type RuntimeEvent } from "@kedge/cri";
import { type Clock, deferred, silentLogger, systemClock } from "@kedge/runtime";
import { EDGED_CONFIG_DEFAULTS } from "../edged-config.ts";
import { RuntimeWatch, type RuntimeListener } from "./runtime-watch.ts";

const options = { timeout: 5_000 };
const labels = {
  "io.kubernetes.pod.uid": "u1",
  "io.kubernetes.pod.name": "p",
  "io.kubernetes.pod.namespace": "d",
};

/** A runtime that has one sandbox, whose state we choose, and tells the events that we say. */
function setUp(events: CriClient["events"]) {
  const life = new AbortController();
  const runtime = { state: 0, lists: 0 };
  const cri = {
    events,
    runtime: {
      listPodSandboxes: async () => {
        runtime.lists += 1;
        return [{ id: "s", labels, state: runtime.state }];
      },
      listContainers: async () => [{ id: "foreign", labels: {}, state: 0 }],
    },
  } as unknown as CriClient;
  const waits: number[] = [];
  let wait = deferred();
  const clock: Clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      waits.push(ms);
      wait = deferred();
      const aborted = deferred();
      signal.addEventListener("abort", () => aborted.resolve(), { once: true });
      await Promise.race([wait.promise, aborted.promise]);
      signal.throwIfAborted();
    },
  };
  const start = (listener: Partial<RuntimeListener>) => {
    const parts = { cri, clock, logger: silentLogger, config: { ...EDGED_CONFIG_DEFAULTS, nodeName: "n" } };
    const watch = new RuntimeWatch(parts, {
      onEvent: () => true,
      onChanged: () => {},
      onListed: () => {},
      ...listener,
    });
    const running = watch.run(life.signal).catch(() => undefined);
    return {
      watch,
      [Symbol.asyncDispose]: async () => {
        life.abort();
        await running;
      },
    };
  };
  return { runtime, waits, start, passTime: () => wait.resolve() };
}

/** A stream without events, until it breaks. */
async function* until(broken: Promise<never>): AsyncGenerator<RuntimeEvent, void> {
  yield await broken;
}

const unimplemented = () => until(Promise.reject(new CriError("GetContainerEvents", 12, "unknown method")));

function silent(signal: AbortSignal): AsyncGenerator<RuntimeEvent, void> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  return until(promise);
}

test("tells of each pod once, and again when it looks different", options, async () => {
  const { runtime, start, passTime } = setUp(silent);
  const changes: string[] = [];
  let listed = deferred();
  await using running = start({ onChanged: ({ uid }) => changes.push(uid), onListed: () => listed.resolve() });
  await listed.promise;
  assert.deepEqual(changes, ["u1"]);
  for (const [state, expected] of [
    [0, 1],
    [1, 2],
  ] as const) {
    listed = deferred();
    runtime.state = state;
    running.watch.relist();
    await listed.promise;
    assert.equal(changes.length, expected);
  }
  passTime();
});

test("W-59: a runtime with events is listed seldom, one without is polled", options, async () => {
  for (const [events, pollMs] of [
    [silent, EDGED_CONFIG_DEFAULTS.relistIntervalMs],
    [unimplemented, 1_000],
  ] as const) {
    const { waits, start, passTime } = setUp(events);
    let listed = deferred();
    await using _ = start({ onListed: () => listed.resolve() });
    await listed.promise;
    listed = deferred();
    await new Promise((resolve) => setImmediate(resolve));
    passTime();
    await listed.promise;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(waits.at(-1), pollMs);
  }
});

test("an event of a container that nobody knows makes us list", options, async () => {
  const happened = deferred();
  async function* one(signal: AbortSignal): AsyncGenerator<RuntimeEvent, void> {
    await happened.promise;
    yield { containerId: "new", kind: "started" };
    yield* silent(signal);
  }
  const { start } = setUp(one);
  let listed = deferred();
  await using _ = start({ onEvent: () => false, onListed: () => listed.resolve() });
  await listed.promise;
  listed = deferred();
  happened.resolve();
  await listed.promise;
});
