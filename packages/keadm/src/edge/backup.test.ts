import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "@kedge/sqlite";
import { findAgent } from "../host/agent.ts";
import { hostPaths } from "../host/host-paths.ts";
import { backup, BACKUPS_MAX, findBackup, listBackups, restore } from "./backup.ts";

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
    for (let more = 0; more <= BACKUPS_MAX; more += 1)
      mkdirSync(join(paths.backups, `v0.0.${more}_20200102T03040567${more}Z`), { recursive: true });
    const newest = await backup(paths, { signal: AbortSignal.timeout(20_000) });
    assert.notEqual(newest.folder, made.folder);
    assert.equal(listBackups(paths).length, BACKUPS_MAX);
    assert.equal(findBackup(paths, undefined).name, newest.name);
    write("new");
    writeFileSync(paths.config, `${config}edgecoreVersion: changed\n`);
    writeFileSync(program, "throw new Error('another release');\n");

    const restored = restore(findBackup(paths, undefined), paths);
    assert.equal(readFileSync(restored, "utf8"), PROGRAM);
    assert.equal(readFileSync(paths.config, "utf8"), config);
    const db = openDatabase({ path: dataSource });
    assert.equal(db.prepare("SELECT value FROM meta").get()?.["value"], "old");
    db.close();
    assert.throws(
      () => findBackup(paths, "v1.0.0"),
      /no backup of v1\.0\.0 is in .* \(there are v0\.0\.7_\d+T\d+Z, .*\)/,
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("FIX: a backup overwrites none; the newest is taken by default, and only so many stay", () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-backups-"));
  try {
    const paths = hostPaths(dir);
    const make = (name: string) => mkdirSync(join(paths.backups, name), { recursive: true });
    assert.throws(() => findBackup(paths, undefined), /there is none/);
    make("v0.0.9"); // as an older release named them: made now
    make("v0.1.0_20200102T030405678Z");
    make("v0.1.0_20200102T030405679Z");
    make("v0.1.0_20990102T030405678Z.unfinished");
    assert.deepEqual(
      listBackups(paths).map(({ name }) => name),
      ["v0.0.9", "v0.1.0_20200102T030405679Z", "v0.1.0_20200102T030405678Z"],
    );
    assert.equal(findBackup(paths, undefined).name, "v0.0.9");
    for (const version of ["v0.1.0", "0.1.0", "v0.1.0_20200102T030405679Z"])
      assert.equal(findBackup(paths, version).madeAt, "2020-01-02T03:04:05.679Z");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
