import assert from "node:assert/strict";
import { test } from "node:test";
import type { Image, PullRequest } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { type Clock, deferred, MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import type { EdgeMessages, EdgeNotices } from "../../edge-messages.ts";
import { EventRecorder } from "../events/event-recorder.ts";
import { ImageManager, type ImageManagerConfig } from "./image-manager.ts";

const signal = new AbortController().signal;
const podOf = (uid: string): Pod => ({ metadata: { name: uid, namespace: "d", uid }, spec: { containers: [] } });

/** A registry that answers when it is told to, and time that passes when it is told to. */
function setUp(config: Partial<ImageManagerConfig> = {}) {
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const pulls = new Map<string, PromiseWithResolvers<string>>();
  const sleepers = new Set<{ atMs: number; wake: () => void }>();
  let nowMs = 0;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => nowMs,
    sleep: (ms) => {
      const { promise, resolve } = deferred();
      sleepers.add({ atMs: nowMs + ms, wake: resolve });
      return promise;
    },
  };
  const images = {
    imageStatus: (image: string) =>
      Promise.resolve(image.startsWith("id-") ? ({ id: image, size: 7n } as unknown as Image) : undefined),
    pullImage: ({ image }: PullRequest) => {
      const pull = deferred<string>();
      pulls.set(image, pull);
      return pull.promise;
    },
  };
  const events = new EventRecorder({ enabled: false, nodeName: "n" }, { bus, clock, logger: silentLogger }, signal);
  const manager = new ImageManager(
    {
      pullsMax: 1,
      pullAlwaysFallsBackOffline: false,
      nodeConfigPaths: [],
      rate: { perSecond: 0, burst: 1 },
      ...config,
    },
    { images, bus, events, clock, logger: silentLogger },
  );
  const ensure = (uid: string, image: string) => manager.ensure(podOf(uid), { name: "app", image }, {}, signal);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const pass = async (ms: number) => {
    nowMs += ms;
    for (const sleeper of sleepers) if (sleeper.atMs <= nowMs) sleeper.wake();
    await settled();
  };
  const began = async () => {
    await settled();
    return [...pulls.keys()].join(" ");
  };
  return { ensure, pulls, pass, began };
}

test("pulls wait for each other, in order", async () => {
  const { ensure, pulls, began } = setUp();
  const [first, second] = [ensure("a", "reg.io/a:1"), ensure("b", "reg.io/b:1")];
  assert.equal(await began(), "reg.io/a:1");
  pulls.get("reg.io/a:1")?.resolve("id-a");
  assert.equal((await first).id, "id-a");
  assert.equal(await began(), "reg.io/a:1 reg.io/b:1");
  pulls.get("reg.io/b:1")?.resolve("id-b");
  assert.equal((await second).id, "id-b");
});

test("as many go side by side as may", async () => {
  const { ensure, pulls, began } = setUp({ pullsMax: 2 });
  const all = ["a", "b", "c"].map((name) => ensure(name, `reg.io/${name}:1`));
  assert.equal(await began(), "reg.io/a:1 reg.io/b:1");
  pulls.get("reg.io/b:1")?.resolve("id-b");
  assert.equal(await began(), "reg.io/a:1 reg.io/b:1 reg.io/c:1");
  for (const name of ["a", "c"]) pulls.get(`reg.io/${name}:1`)?.resolve(`id-${name}`);
  assert.deepEqual(
    (await Promise.all(all)).map(({ id }) => id),
    ["id-a", "id-b", "id-c"],
  );
});

test("a registry that does not answer holds up the others for minutes, not for ever", async () => {
  const { ensure, pulls, pass, began } = setUp();
  const [hangs, waits] = [ensure("a", "slow.io/a:1"), ensure("b", "reg.io/b:1")];
  await began();
  await pass(299_000);
  assert.equal(await began(), "slow.io/a:1");
  await pass(1_000);
  assert.equal(await began(), "slow.io/a:1 reg.io/b:1");
  pulls.get("reg.io/b:1")?.resolve("id-b");
  assert.equal((await waits).id, "id-b");
  pulls.get("slow.io/a:1")?.resolve("id-a"); // it was not given up
  assert.equal((await hangs).id, "id-a");
});

test("more pulls than registryPullQPS allows fail, and are tried again after their back-off", async () => {
  const { ensure, pulls, pass, began } = setUp({ pullsMax: 9, rate: { perSecond: 1, burst: 1 } });
  const first = ensure("a", "reg.io/a:1");
  await assert.rejects(ensure("b", "reg.io/b:1"), { code: "ErrImagePull", message: /pull QPS exceeded/ });
  await assert.rejects(ensure("b", "reg.io/b:1"), {
    code: "ImagePullBackOff",
    message: 'Back-off pulling image "reg.io/b:1": ErrImagePull: pull QPS exceeded',
  });
  pulls.get("reg.io/a:1")?.resolve("id-a");
  await first;
  await pass(10_000);
  const again = ensure("b", "reg.io/b:1");
  assert.equal(await began(), "reg.io/a:1 reg.io/b:1");
  pulls.get("reg.io/b:1")?.resolve("id-b");
  assert.equal((await again).id, "id-b");
});
