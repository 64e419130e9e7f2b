import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "@kedge/kube";
import { RevisionLog } from "../storage/revision-log.ts";
import { StoredObject } from "../storage/stored-object.ts";
import { selectChange } from "./select-change.ts";
import { WatchHub } from "./watch-hub.ts";
import { WATCH_QUEUE_CHANGES_MAX } from "./watcher.ts";

const PREFIX = "core/configmaps/";
const never = new AbortController().signal;

function configMap(value: string): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { value } } as KubeObject;
}

async function write(log: RevisionLog, value: string): Promise<void> {
  const key = `${PREFIX}default/a`;
  await log.write((writer) =>
    writer.get(key) ? writer.update(key, configMap(value)) : writer.create(key, configMap(value)),
  );
}

test("gives the past from the log and the present from the commits, in one order without gap", async () => {
  using log = RevisionLog.open(":memory:");
  using hub = new WatchHub(log);
  await write(log, "1");
  await write(log, "2");
  using watcher = hub.watch(PREFIX, 1);
  await write(log, "3");
  const seen = watcher.take().map(({ stored }) => stored.revision);
  await write(log, "4");
  seen.push(...watcher.take().map(({ stored }) => stored.revision));
  assert.deepEqual(seen, [2, 3, 4]);
  assert.deepEqual(watcher.take(), []);
});

test("sees only its namespace", async () => {
  using log = RevisionLog.open(":memory:");
  using hub = new WatchHub(log);
  using watcher = hub.watch(`${PREFIX}other/`, 0);
  await write(log, "1");
  assert.deepEqual(watcher.take(), []);
  assert.equal(watcher.revision, 1, "and may still promise to know everything");
});

test("one that falls behind goes on from the log and misses nothing", async () => {
  using log = RevisionLog.open(":memory:");
  using hub = new WatchHub(log);
  using watcher = hub.watch(PREFIX, 0);
  const writes = WATCH_QUEUE_CHANGES_MAX * 2 + 10;
  await Promise.all(Array.from({ length: writes }, (_, i) => write(log, String(i))));
  const seen: number[] = [];
  for (let changes = watcher.take(); changes.length > 0; changes = watcher.take())
    seen.push(...changes.map(({ stored }) => stored.revision));
  assert.deepEqual(
    seen,
    Array.from({ length: writes }, (_, i) => i + 1),
  );
});

test("one that is so slow that the log has forgotten must begin anew", async () => {
  using log = RevisionLog.open(":memory:");
  using hub = new WatchHub(log);
  using watcher = hub.watch(PREFIX, 0);
  const writes = WATCH_QUEUE_CHANGES_MAX + 10;
  await Promise.all(Array.from({ length: writes }, (_, i) => write(log, String(i))));
  await log.compact(writes - 1);
  assert.throws(() => watcher.take(), { code: "RevisionCompacted" });
  assert.throws(() => hub.watch(PREFIX, 1), { code: "RevisionCompacted" });
});

test("waiting ends with a change, with time, with the signal, and with disposal", { timeout: 5000 }, async () => {
  using log = RevisionLog.open(":memory:");
  using hub = new WatchHub(log);
  const watcher = hub.watch(PREFIX, 0);
  const waiting = watcher.wait(60_000, never);
  await write(log, "1");
  await waiting;
  assert.equal(watcher.take().length, 1);
  await watcher.wait(1, never);
  await watcher.wait(60_000, AbortSignal.timeout(1));
  const ended = watcher.wait(60_000, never);
  watcher[Symbol.dispose]();
  await ended;
  assert.equal(hub.watcherCount, 0);
});

test("counts its watchers and knows when there are enough", () => {
  using log = RevisionLog.open(":memory:");
  using hub = new WatchHub(log, 1);
  using _ = hub.watch(PREFIX, 0);
  assert.equal(hub.full, true);
});

const state = (label: string | undefined, revision: number) =>
  new StoredObject("k", revision, JSON.stringify({ metadata: { labels: label === undefined ? {} : { app: label } } }));
const selects = ({ object }: StoredObject) => object.metadata?.labels?.["app"] === "web";

const cases = [
  { name: "outside, stays outside", type: "MODIFIED", was: "db", is: "db", sees: undefined },
  { name: "enters", type: "MODIFIED", was: "db", is: "web", sees: ["ADDED", 2] },
  { name: "changes inside", type: "MODIFIED", was: "web", is: "web", sees: ["MODIFIED", 2] },
  {
    name: "leaves: shown as it last was, with the new revision",
    type: "MODIFIED",
    was: "web",
    is: "db",
    sees: ["DELETED", 1],
  },
  { name: "created inside", type: "ADDED", was: null, is: "web", sees: ["ADDED", 2] },
  { name: "created outside", type: "ADDED", was: null, is: "db", sees: undefined },
  { name: "deleted inside", type: "DELETED", was: "web", is: "web", sees: ["DELETED", 2] },
  { name: "deleted outside", type: "DELETED", was: "db", is: "db", sees: undefined },
] as const;
for (const { name, type, was, is, sees } of cases)
  test(`a selection sees an object that ${name}`, () => {
    const previous = was === null ? undefined : state(was, 1);
    const seen = selectChange({ type, stored: state(is, 2), previous }, selects);
    assert.deepEqual(seen && [seen.type, seen.stored.revision], sees);
    if (seen !== undefined) assert.equal(seen.revision, 2);
  });
