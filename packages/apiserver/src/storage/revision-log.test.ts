import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "@kedge/kube";
import fc from "fast-check";
import { RevisionLog } from "./revision-log.ts";
import type { Change } from "./stored-object.ts";

const PREFIX = "core/configmaps/";

function configMap(name: string, value: string): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { value } } as KubeObject;
}

function valueOf({ object }: { object: KubeObject }): string | undefined {
  return (object as { data?: { value?: string } }).data?.value;
}

function openLog(): RevisionLog {
  return RevisionLog.open(":memory:");
}

test("numbers every write, and stores the number in the object", async () => {
  using log = openLog();
  const first = await log.write((writer) => writer.create(`${PREFIX}a`, configMap("a", "1")));
  const second = await log.write((writer) => writer.update(`${PREFIX}a`, configMap("a", "2")));
  assert.deepEqual([first.revision, second.revision, log.revision], [1, 2, 2]);
  assert.equal(log.get(`${PREFIX}a`)?.object.metadata?.resourceVersion, "2");
});

test("writing what is there already takes no revision", async () => {
  using log = openLog();
  await log.write((writer) => writer.create(`${PREFIX}a`, configMap("a", "1")));
  const same = await log.write((writer) => {
    const object = writer.get(`${PREFIX}a`)?.copy() ?? {};
    return writer.update(`${PREFIX}a`, object);
  });
  assert.deepEqual([same.revision, log.revision], [1, 1]);
});

test("refuses to create what exists and to change what does not", async () => {
  using log = openLog();
  await log.write((writer) => writer.create(`${PREFIX}a`, configMap("a", "1")));
  await assert.rejects(
    log.write((writer) => writer.create(`${PREFIX}a`, configMap("a", "1"))),
    { details: { code: "KeyExists", key: `${PREFIX}a` } },
  );
  await assert.rejects(
    log.write((writer) => writer.update(`${PREFIX}b`, configMap("b", "1"))),
    { details: { code: "KeyNotFound", key: `${PREFIX}b` } },
  );
  await assert.rejects(
    log.write((writer) => writer.delete(`${PREFIX}b`)),
    { details: { code: "KeyNotFound", key: `${PREFIX}b` } },
  );
});

test("a write that fails leaves neither state nor revision nor event behind", async () => {
  using log = openLog();
  const seen: Change[] = [];
  using _ = log.onCommit((changes) => seen.push(...changes));
  const failing = log.write((writer) => {
    writer.create(`${PREFIX}lost`, configMap("lost", "1"));
    throw new Error("no");
  });
  const kept = log.write((writer) => writer.create(`${PREFIX}kept`, configMap("kept", "1")));
  await assert.rejects(failing, /no/);
  assert.equal((await kept).revision, 1);
  assert.deepEqual(
    seen.map(({ stored }) => stored.key),
    [`${PREFIX}kept`],
  );
  assert.equal(log.get(`${PREFIX}lost`), undefined);
});

test("a dry run answers as if it had been written", async () => {
  using log = openLog();
  const stored = await log.write((writer) => writer.create(`${PREFIX}a`, configMap("a", "1")), { dryRun: true });
  assert.equal(stored.object.metadata?.resourceVersion, "1");
  assert.deepEqual([log.get(`${PREFIX}a`), log.revision], [undefined, 0]);
});

test("tells of every commit, with the state before", async () => {
  using log = openLog();
  const seen: string[] = [];
  using _ = log.onCommit((changes) => {
    for (const { type, stored, previous } of changes)
      seen.push(`${type} ${stored.revision} ${valueOf(stored)} < ${previous === undefined ? "-" : valueOf(previous)}`);
  });
  await Promise.all([
    log.write((writer) => writer.create(`${PREFIX}a`, configMap("a", "1"))),
    log.write((writer) => writer.update(`${PREFIX}a`, configMap("a", "2"))),
    log.write((writer) => writer.delete(`${PREFIX}a`)),
  ]);
  assert.deepEqual(seen, ["ADDED 1 1 < -", "MODIFIED 2 2 < 1", "DELETED 3 2 < 2"]);
});

test("lists within a namespace do not leak into its neighbours", async () => {
  using log = openLog();
  for (const key of ["a/x", "a-b/x", "a0/x", "a/y"])
    await log.write((writer) => writer.create(PREFIX + key, configMap("x", key)));
  assert.deepEqual(
    log.list(`${PREFIX}a/`).map(({ key }) => key),
    [`${PREFIX}a/x`, `${PREFIX}a/y`],
  );
  assert.equal(log.list(PREFIX).length, 4);
  assert.equal(log.count(PREFIX), 4);
});

test("compaction forgets the past but nothing that later questions need", async () => {
  using log = openLog();
  await log.write((writer) => writer.create(`${PREFIX}old`, configMap("old", "1"))); // 1
  await log.write((writer) => writer.create(`${PREFIX}gone`, configMap("gone", "1"))); // 2
  await log.write((writer) => writer.delete(`${PREFIX}gone`)); // 3
  await log.write((writer) => writer.update(`${PREFIX}old`, configMap("old", "2"))); // 4
  await log.write((writer) => writer.update(`${PREFIX}old`, configMap("old", "3"))); // 5
  await log.compact(4);
  assert.throws(() => log.changesAfter(3, PREFIX, 10), { code: "RevisionCompacted" });
  assert.throws(() => log.list(PREFIX, { atRevision: 3 }), { code: "RevisionCompacted" });
  assert.throws(() => log.changesAfter(6, PREFIX, 10), { code: "RevisionInFuture" });
  const [change] = log.changesAfter(4, PREFIX, 10);
  assert.equal(change?.previous && valueOf(change.previous), "2");
  assert.deepEqual(log.list(PREFIX, { atRevision: 4 }).map(valueOf), ["2"]);
  assert.deepEqual(log.list(PREFIX).map(valueOf), ["3"]);
});

test("the newest revision survives compaction, so that no number is given twice", async () => {
  using log = openLog();
  await log.write((writer) => writer.create(`${PREFIX}a`, configMap("a", "1")));
  await log.write((writer) => writer.delete(`${PREFIX}a`));
  await log.compact(100);
  assert.equal(log.revision, 2);
  assert.equal((await log.write((writer) => writer.create(`${PREFIX}a`, configMap("a", "1")))).revision, 3);
});

type Step = { readonly name: string; readonly value: string; readonly op: "put" | "delete" };

test("the past can be listed exactly as it was, down to the compacted revision", async () => {
  const step = fc.record({
    name: fc.constantFrom("a", "b", "c"),
    value: fc.constantFrom("1", "2", "3"),
    op: fc.constantFrom<Step["op"]>("put", "put", "delete"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(25), async (steps, compactTo) => {
      using log = openLog();
      const state = new Map<string, string>();
      const history = new Map<number, string>([[0, "[]"]]);
      for (const { name, value, op } of steps) {
        const key = PREFIX + name;
        await log.write((writer) => {
          const present = writer.get(key) !== undefined;
          if (op === "delete" && present) writer.delete(key);
          if (op === "put" && present) writer.update(key, configMap(name, value));
          if (op === "put" && !present) writer.create(key, configMap(name, value));
        });
        if (op === "put") state.set(name, value);
        else state.delete(name);
        history.set(log.revision, JSON.stringify([...state].toSorted(([a], [b]) => (a < b ? -1 : 1))));
      }
      await log.compact(compactTo);
      for (const [revision, expected] of history) {
        if (revision < log.compactedRevision) continue;
        const listed = log
          .list(PREFIX, { atRevision: revision })
          .map((stored) => [stored.key.slice(PREFIX.length), valueOf(stored)]);
        assert.equal(JSON.stringify(listed), expected, `at revision ${revision}`);
      }
      // Replaying the log from any revision still known leads to the state of today.
      for (let revision = log.compactedRevision; revision <= log.revision; revision += 1) {
        const replayed = new Map(log.list(PREFIX, { atRevision: revision }).map((stored) => [stored.key, stored.json]));
        for (const { type, stored, previous } of log.changesAfter(revision, PREFIX, 1000)) {
          assert.equal(previous?.json, replayed.get(stored.key));
          if (type === "DELETED") replayed.delete(stored.key);
          else replayed.set(stored.key, stored.json);
        }
        assert.deepEqual(
          [...replayed].toSorted(([a], [b]) => (a < b ? -1 : 1)),
          log.list(PREFIX).map(({ key, json }) => [key, json]),
        );
      }
    }),
    { numRuns: 60 },
  );
});
