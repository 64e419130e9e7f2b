import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Event, Pod } from "@kedge/kube";
import { MessageBus, silentLogger, systemClock } from "@kedge/runtime";
import { GroupCommit } from "@kedge/sqlite";
import type { EdgeMessages, EdgeNotices } from "../src/edge-messages.ts";
import { EventRecorder } from "../src/edged/events/event-recorder.ts";
import { Outbox } from "../src/edgehub/outbox.ts";
import { MetaManager } from "../src/metamanager/metamanager.ts";
import { openEdgeDatabase } from "../src/metamanager/open-edge-database.ts";

const options = { timeout: 20_000 };
const PODS_COUNT = 20;

const podOf = (name: string): Pod => ({ metadata: { name, namespace: "default", uid: name } });

/** What of an agent carries events: Edged's recorder, MetaManager, the outbox on disk. Nobody is there to take them. */
async function startAgent(path: string) {
  await using scope = new AsyncDisposableStack();
  const db = scope.adopt(openEdgeDatabase(path, silentLogger), (opened) => opened.close());
  const commits = scope.use(new GroupCommit(db));
  const bus = new MessageBus<EdgeMessages, EdgeNotices>();
  const outbox = new Outbox(db, commits, silentLogger);
  scope.use(bus.handle("hub/send", (message) => outbox.add(message)));
  scope.use(
    await MetaManager.start(
      { remoteQueryTimeoutMs: 1_000 },
      { bus, db, commits, logger: silentLogger, clock: systemClock },
    ),
  );
  const life = scope.adopt(new AbortController(), (controller) => controller.abort());
  const deps = { bus, clock: systemClock, logger: silentLogger };
  const events = new EventRecorder({ enabled: true, nodeName: "edge-1" }, deps, life.signal);
  const resources = scope.move();
  return {
    events,
    outbox,
    /** Resolves once so many messages are on disk. */
    async waiting(count: number): Promise<void> {
      const deadline = AbortSignal.timeout(10_000);
      for (; outbox.waiting < count; deadline.throwIfAborted()) await new Promise((resolve) => setImmediate(resolve));
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

test("events of a time without the cloud are told in their order, also over a restart", options, async () => {
  const directory = await mkdtemp(join(tmpdir(), "kedge-events-"));
  try {
    const path = join(directory, "edgecore.db");
    const told: string[] = [];
    for (const run of [1, 2]) {
      await using agent = await startAgent(path);
      for (let pod = 0; pod < PODS_COUNT; pod += 1)
        for (const reason of ["Pulled", "Created", "Started"]) {
          agent.events.normal(podOf(`p${pod}`), reason, `of run ${run}`);
          told.push(`p${pod} ${reason} of run ${run}`);
        }
      await agent.waiting(told.length);
    }
    await using agent = await startAgent(path);
    const kept: string[] = [];
    for (let page = agent.outbox.after(0); page.length > 0; page = agent.outbox.after(page.at(-1)?.seq ?? 0))
      for (const { message } of page) {
        const { involvedObject, reason, message: text } = message.content as Event;
        kept.push(`${involvedObject.name} ${reason} ${text}`);
      }
    assert.deepEqual(kept, told);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
