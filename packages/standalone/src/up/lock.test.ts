import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { type StatePaths, statePaths } from "../state-paths.ts";
import { UserError } from "../user-error.ts";
import { withLock } from "./lock.ts";

let dir: string;
let paths: StatePaths;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "kedge-lock-"));
  const usual = statePaths(dir);
  paths = { ...usual, run: { ...usual.run, dir: join(dir, "run") } };
  mkdirSync(paths.run.dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("a second command is refused while the first works, and goes on when it is done", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const first = withLock(paths, () => {
    begun.resolve();
    return promise;
  });
  await begun.promise;
  await assert.rejects(
    withLock(paths, () => Promise.resolve()),
    UserError,
  );
  resolve();
  await first;
  assert.equal(await withLock(paths, () => Promise.resolve("done")), "done");
});

test("of two commands started at once one works", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const commands = [withLock(paths, () => promise), withLock(paths, () => promise)];
  await assert.rejects(Promise.race(commands), UserError);
  resolve();
  const outcomes = await Promise.allSettled(commands);
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.deepEqual(readdirSync(paths.run.dir), []);
});

test("the lock of a command that was killed does not hold", async () => {
  writeFileSync(join(paths.run.dir, "command.lock"), "999999999");
  assert.equal(await withLock(paths, () => Promise.resolve("done")), "done");
});
