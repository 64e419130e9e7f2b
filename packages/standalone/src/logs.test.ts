import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { logs } from "./logs.ts";

const NOBODY = 65_534;
const { signal } = new AbortController();

test("whose log: without a name, and with a wrong one, the four are named", async () => {
  const four = /choose one of cloud, edge, containerd, sensor$/;
  await assert.rejects(logs("/nowhere", undefined, false, signal), four);
  await assert.rejects(logs("/nowhere", "edgecore", false, signal), four);
  await assert.rejects(
    logs("/nowhere", "edge", false, signal),
    /there is no \/nowhere\/log\/edge\.log: run \.\/kedge up/,
  );
});

const skip = process.getuid?.() === 0 ? false : "needs root";
for (const folderMode of [0o700, 0o711])
  test(`a log that is root's says so, in a folder of mode ${folderMode.toString(8)}`, { skip }, async () => {
    const dir = mkdtempSync(join(tmpdir(), "kedge-logs-"));
    mkdirSync(join(dir, "log"));
    writeFileSync(join(dir, "log/edge.log"), "words", { mode: 0o600 });
    chmodSync(dir, folderMode);
    try {
      process.seteuid?.(NOBODY);
      await assert.rejects(logs(dir, "edge", false, signal), /edge\.log is root's: sudo \.\/kedge logs edge$/);
    } finally {
      process.seteuid?.(0);
      rmSync(dir, { recursive: true });
    }
  });
