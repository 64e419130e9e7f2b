import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replaceConfigFile } from "./config-file.ts";

test("a file that was there before is kept once the new one serves, and only root reads either", () => {
  const dir = mkdtempSync(join(tmpdir(), "kedge-keadm-"));
  try {
    const file = join(dir, "config", "edgecore.yaml");
    const read = (name: string) => readFileSync(name, "utf8");
    assert.equal(replaceConfigFile(file, "a: 1\n").keep(), undefined);
    assert.equal(replaceConfigFile(file, "a: 1\n").keep(), undefined, "the same text");
    writeFileSync(file, "a: mine\n", { mode: 0o644 });
    const kept = replaceConfigFile(file, "a: 2\n").keep() ?? "";
    assert.equal(read(kept), "a: mine\n");
    assert.equal(read(file), "a: 2\n");
    for (const path of [file, kept]) assert.equal(statSync(path).mode & 0o777, 0o600);

    const failed = replaceConfigFile(file, "a: broken\n");
    assert.equal(failed.undo(), "the one before");
    assert.equal(read(file), "a: 2\n");
    assert.equal(read(kept), "a: mine\n", "what a run that failed does not touch");

    rmSync(file);
    assert.equal(replaceConfigFile(file, "a: broken\n").undo(), "none");
    assert.ok(!existsSync(file), "the next join must not build on it");
    assert.equal(read(`${file}.failed`), "a: broken\n");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
