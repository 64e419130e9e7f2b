import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "@kedge/sqlite";
import { EdgeDatabase } from "./edge-database.ts";

const signal = () => AbortSignal.timeout(10_000);

async function withDir(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "kedge-db-"));
  try {
    await work(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test("what the agent has committed is read beside it, though it keeps the file to itself", () =>
  withDir(async (dir) => {
    const path = join(dir, "edgecore.db");
    const agent = openDatabase({ path });
    try {
      agent.exec("CREATE TABLE meta (key text, type text, value text, PRIMARY KEY (key))");
      const insert = agent.prepare("INSERT INTO meta VALUES (?, ?, ?)");
      for (const name of ["b", "a"]) insert.run(`default/pod/${name}`, "pod", JSON.stringify({ metadata: { name } }));
      insert.run("default/pod/broken", "pod", "no object");
      using copy = await EdgeDatabase.open(path, signal());
      assert.deepEqual(
        copy.list("pod").map(({ metadata }) => metadata?.name),
        ["a", "b"],
      );
      assert.deepEqual(copy.counts(), { pod: 3 });
      assert.equal(copy.damage(), undefined);
    } finally {
      agent.close();
    }
  }));

test("what is no database, and what is not there, are told", () =>
  withDir(async (dir) => {
    await assert.rejects(
      EdgeDatabase.open(join(dir, "none.db"), signal()),
      /there is no edge database .*: has this host joined/,
    );
    const text = join(dir, "text.db");
    writeFileSync(text, "this is not SQLite, and long enough to be looked at".repeat(100));
    await assert.rejects(EdgeDatabase.open(text, signal()), /cannot be read as an edge database/);
  }));
