import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DatabaseError, GroupCommit, migrate, openDatabase, transact } from "./index.ts";

function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "kedge-sqlite-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const TABLE = "CREATE TABLE kept (name TEXT PRIMARY KEY) STRICT";

test("opens in WAL mode with full synchronisation, readable for the owner alone", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "state", "x.db");
  using db = openDatabase({ path });
  assert.equal(db.prepare("PRAGMA journal_mode").get()?.["journal_mode"], "wal");
  assert.equal(db.prepare("PRAGMA synchronous").get()?.["synchronous"], 2);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("refuses a database that another one holds, and says so", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  using _ = openDatabase({ path });
  assert.throws(
    () => openDatabase({ path, busyTimeoutMs: 1 }),
    (error: unknown) => error instanceof DatabaseError && error.code === "DatabaseInUse" && error.retryable,
  );
});

test("tells a damaged file from others", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  writeFileSync(path, "this is no database, and longer than a header of one hundred bytes would be".repeat(10));
  assert.throws(() => openDatabase({ path }), { details: { code: "DatabaseCorrupt", path } });
});

test("runs each migration once and refuses tables of a later program", () => {
  using db = openDatabase({ path: ":memory:" });
  migrate(db, "a", [TABLE]);
  migrate(db, "a", [TABLE, "ALTER TABLE kept ADD COLUMN size INTEGER"]);
  migrate(db, "b", []);
  db.prepare("INSERT INTO kept (name, size) VALUES ('x', 1)").run();
  assert.throws(() => migrate(db, "a", [TABLE]), { details: { code: "SchemaTooNew", component: "a", version: 2 } });
});

test("a failing migration leaves nothing behind", () => {
  using db = openDatabase({ path: ":memory:" });
  assert.throws(() => migrate(db, "a", [TABLE, "CREATE nonsense"]));
  migrate(db, "a", [TABLE]);
});

test("rolls back a transaction that throws", () => {
  using db = openDatabase({ path: ":memory:" });
  migrate(db, "a", [TABLE]);
  assert.throws(() =>
    transact(db, () => {
      db.prepare("INSERT INTO kept VALUES ('x')").run();
      throw new Error("no");
    }),
  );
  assert.equal(db.prepare("SELECT count(*) AS n FROM kept").get()?.["n"], 0);
});

test("a group commits what succeeded, in order, and rejects only what failed", async () => {
  using db = openDatabase({ path: ":memory:" });
  migrate(db, "a", [TABLE]);
  let commits = 0;
  using group = new GroupCommit(db, { onCommit: () => (commits += 1) });
  const insert = db.prepare("INSERT INTO kept VALUES (?)");
  const results = await Promise.allSettled([
    group.write(() => insert.run("a").changes),
    group.write(() => insert.run("b") && insert.run("a")),
    group.write(() => db.prepare("SELECT count(*) AS n FROM kept").get()?.["n"]),
  ]);
  assert.deepEqual(
    results.map((result) => (result.status === "fulfilled" ? result.value : "rejected")),
    [1, "rejected", 1],
  );
  assert.equal(commits, 1);
});

test("a group that cannot be committed rejects all its writers", async () => {
  using db = openDatabase({ path: ":memory:" });
  db.exec(
    "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
  );
  using group = new GroupCommit(db);
  const results = await Promise.allSettled([
    group.write(() => db.exec("INSERT INTO parent VALUES (1)")),
    group.write(() => db.exec("INSERT INTO child VALUES (7)")),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(db.prepare("SELECT count(*) AS n FROM parent").get()?.["n"], 0);
});

test("refuses writes beyond its bound, and after it was closed", async () => {
  using db = openDatabase({ path: ":memory:" });
  const group = new GroupCommit(db, { pendingMax: 1 });
  const first = group.write(() => "done");
  await assert.rejects(
    group.write(() => "more"),
    { details: { code: "WriteQueueFull", pendingMax: 1 } },
  );
  group[Symbol.dispose]();
  assert.equal(await first, "done");
  await assert.rejects(
    group.write(() => "late"),
    { details: { code: "DatabaseClosed" } },
  );
});
