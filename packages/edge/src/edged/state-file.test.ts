import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StateFile } from "./state-file.ts";

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kedge-state-"));
  try {
    await work(join(folder, "state"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("keeps a value, the newest of several written at once", () =>
  inFolder(async (path) => {
    const file = new StateFile<{ n: number }>(path);
    assert.equal(await file.read(), undefined);
    await Promise.all([1, 2, 3].map((n) => file.write({ n })));
    const again = new StateFile<{ n: number }>(path);
    assert.deepEqual(await again.read(), { n: 3 });
    const { ino } = await stat(path);
    await again.write({ n: 3 });
    assert.equal((await stat(path)).ino, ino, "what is there already is not written again");
    await again.write({ n: 4 });
    assert.notEqual((await stat(path)).ino, ino);
  }));

test("what a power cut left half is absent, wherever it was cut", () =>
  inFolder(async (path) => {
    await new StateFile<unknown>(path).write({ pods: ["a", "b"] });
    const whole = await readFile(path, "utf8");
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(path, whole.slice(0, length));
      assert.equal(await new StateFile(path).read(), undefined);
    }
  }));

test("a write that fails leaves the old value, and the next one goes on", () =>
  inFolder(async (path) => {
    const file = new StateFile<number>(path);
    await file.write(1);
    await writeFile(`${path}.tmp`, "of an agent that died");
    await file.write(2);
    assert.equal(await new StateFile<number>(path).read(), 2);
    const nowhere = new StateFile<number>(join(path, "below-a-file"));
    await assert.rejects(nowhere.write(1));
    await assert.rejects(nowhere.write(2));
  }));
