import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { ManagedProcess } from "./managed-process.ts";
import { type StatePaths, statePaths } from "./state-paths.ts";
import { UserError } from "./user-error.ts";

let dir: string;
let paths: StatePaths;
const signal = AbortSignal.timeout(30_000);
const FOREVER = ["sh", "-c", "trap 'exit 0' TERM; echo started; while :; do sleep 0.05; done"];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "kedge-managed-"));
  const usual = statePaths(dir);
  paths = { ...usual, run: { ...usual.run, dir: join(dir, "run") } };
  for (const folder of [paths.run.dir, paths.log.dir]) mkdirSync(folder, { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("is found again by another command, and stopped", async () => {
  const pid = await new ManagedProcess("cloud", paths).start(FOREVER);
  const found = new ManagedProcess("cloud", paths);
  assert.equal(await found.pid(), pid);
  await found.stop(5_000, signal);
  assert.equal(await found.pid(), undefined);
  assert.throws(() => process.kill(pid, 0));
});

test("one that ignores SIGTERM is killed after its grace", async () => {
  const stubborn = new ManagedProcess("cloud", paths);
  const pid = await stubborn.start(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]);
  await stubborn.stop(100, signal);
  assert.throws(() => process.kill(pid, 0));
});

test("a pid that belongs to another process by now is not ours", async () => {
  const identity = {
    pid: process.pid,
    startTicks: "1",
    bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
  };
  writeFileSync(join(paths.run.dir, "cloud.pid"), JSON.stringify(identity));
  assert.equal(await new ManagedProcess("cloud", paths).pid(), undefined);
});

test("a damaged pid file means that nothing of ours runs", async () => {
  writeFileSync(join(paths.run.dir, "cloud.pid"), '{"pid":');
  assert.equal(await new ManagedProcess("cloud", paths).pid(), undefined);
});

test("one that ended is told with its log's last words", async () => {
  const brief = new ManagedProcess("edge", paths);
  const pid = await brief.start(["sh", "-c", "echo no such broker; exit 1"]).catch(() => 0);
  while (pid !== 0 && (await brief.pid()) !== undefined) await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(brief.expectAlive(), (error: unknown) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /^edge ended unexpectedly; its log .*edge\.log ends with:\n {2}no such broker$/);
    return true;
  });
});

test("a missing program is one sentence", async () => {
  await assert.rejects(new ManagedProcess("cloud", paths).start(["/no/such/program"]), UserError);
});
