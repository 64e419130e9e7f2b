import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "@kedge/sqlite";
import { findAgent } from "../host/agent.ts";
import { hostPaths } from "../host/host-paths.ts";
import { backup, findBackup, restore } from "./backup.ts";

const PROGRAM = 'console.log("Kedge v0.0.7");\n';

test("FIX: a backup puts back a database wherever the configuration has it, and the program of that time", async () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-backup-"));
  try {
    const paths = hostPaths(dir);
    const dataSource = join(dir, "elsewhere/node.sqlite");
    const program = join(dir, "release/edgecore.mjs");
    for (const file of [paths.config, paths.pidFile, dataSource, program])
      mkdirSync(dirname(file), { recursive: true });
    writeFileSync(program, PROGRAM);
    writeFileSync(
      paths.pidFile,
      JSON.stringify({ pid: 1, startTicks: "0", bootId: "", command: [process.execPath, program] }),
    );
    const config = `database: {dataSource: ${dataSource}}\n`;
    writeFileSync(paths.config, config);
    const write = (value: string) => {
      const db = openDatabase({ path: dataSource });
      db.exec("CREATE TABLE IF NOT EXISTS meta (key text PRIMARY KEY, type text, value text)");
      db.prepare("INSERT OR REPLACE INTO meta VALUES ('k', 't', ?)").run(value);
      db.close();
    };
    write("old");
    assert.deepEqual(findAgent(paths).command(), [process.execPath, program]);

    const made = await backup(paths, { signal: AbortSignal.timeout(20_000) });
    assert.equal(made.version, "0.0.7");
    assert.equal(statSync(made.folder).mode & 0o777, 0o700, "Secrets are in the database");
    write("new");
    writeFileSync(paths.config, `${config}edgecoreVersion: changed\n`);
    writeFileSync(program, "throw new Error('another release');\n");

    const restored = restore(findBackup(paths, undefined), paths);
    assert.equal(readFileSync(restored, "utf8"), PROGRAM);
    assert.equal(readFileSync(paths.config, "utf8"), config);
    const db = openDatabase({ path: dataSource });
    assert.equal(db.prepare("SELECT value FROM meta").get()?.["value"], "old");
    db.close();
    assert.throws(() => findBackup(paths, "v1.0.0"), /no backup of v1\.0\.0 is in .* \(there are 0\.0\.7\)/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
