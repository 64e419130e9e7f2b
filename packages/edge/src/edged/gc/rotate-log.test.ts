import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { planRotation, rotateLog } from "./rotate-log.ts";

const part = (second: number, end = "") => `0.log.20260101-00000${second}${end}`;
const plans = [
  { name: "nothing yet", names: [], filesMax: 5, remove: [], compress: [] },
  {
    name: "what was renamed last time is compressed now",
    names: [part(1, ".gz"), part(2)],
    filesMax: 5,
    remove: [],
    compress: [part(2)],
  },
  {
    name: "the oldest go, so that with the new one and the current one there are as many as may be",
    names: [part(3), part(1, ".gz"), part(2, ".gz")],
    filesMax: 3,
    remove: [part(1, ".gz"), part(2, ".gz")],
    compress: [part(3)],
  },
  { name: "with two files no part is kept", names: [part(1)], filesMax: 2, remove: [part(1)], compress: [] },
  {
    name: "what a compression left behind goes",
    names: [part(1, ".tmp"), part(1), part(2), part(2, ".gz")],
    filesMax: 5,
    remove: [part(1, ".tmp"), part(2)],
    compress: [part(1)],
  },
];
for (const { name, names, filesMax, remove, compress } of plans)
  test(name, () => assert.deepEqual(planRotation(names, filesMax), { remove, compress }));

async function directory(scope: AsyncDisposableStack): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "kedge-rotate-"));
  scope.defer(() => rm(root, { recursive: true, force: true }));
  return root;
}

const never = new AbortController().signal;
const AT_MS = Date.parse("2026-01-02T03:04:05.678Z");

test("renames, has the writer go on, and compresses the part before", async () => {
  await using scope = new AsyncDisposableStack();
  const root = await directory(scope);
  const log = join(root, "0.log");
  await writeFile(log, "new");
  await writeFile(join(root, part(1)), "old");
  await rotateLog(log, { sizeMax: 1, filesMax: 5 }, () => writeFile(log, ""), AT_MS, never);
  assert.deepEqual(await readdir(root), ["0.log", part(1, ".gz"), "0.log.20260102-030405"]);
  assert.equal(gunzipSync(await readFile(join(root, part(1, ".gz")))).toString(), "old");
  assert.equal(await readFile(join(root, "0.log.20260102-030405"), "utf8"), "new");
});

test("a writer that cannot go on keeps its file", async () => {
  await using scope = new AsyncDisposableStack();
  const root = await directory(scope);
  const log = join(root, "0.log");
  await writeFile(log, "all of it");
  const refuse = () => Promise.reject(new Error("gone"));
  await assert.rejects(rotateLog(log, { sizeMax: 1, filesMax: 5 }, refuse, AT_MS, never), /gone/);
  assert.deepEqual(await readdir(root), ["0.log"]);
  assert.equal(await readFile(log, "utf8"), "all of it");
});

test("twice in one second does not write over the first", async () => {
  await using scope = new AsyncDisposableStack();
  const root = await directory(scope);
  const log = join(root, "0.log");
  for (const text of ["first", "second"]) {
    await writeFile(log, text);
    await rotateLog(log, { sizeMax: 1, filesMax: 5 }, () => writeFile(log, ""), AT_MS, never);
  }
  const kept = (await readdir(root)).filter((name) => name !== "0.log");
  const [name = ""] = kept;
  const bytes = await readFile(join(root, name));
  assert.equal((name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString(), "first");
  assert.equal(await readFile(log, "utf8"), "second");
});
