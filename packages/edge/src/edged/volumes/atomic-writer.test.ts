import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hasErrno } from "@kedge/runtime";
import fc from "fast-check";
import { readCurrentFiles, writeAtomically } from "./atomic-writer.ts";
import { checkFilePath, type VolumeFile } from "./volume-files.ts";

function scratch(): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "kedge-atomic-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function files(texts: Record<string, string>, mode: number = 0o644): Map<string, VolumeFile> {
  return new Map(Object.entries(texts).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));
}

test("lays the files out as readers of Kubernetes volumes expect", async () => {
  using directory = scratch();
  assert.equal(await writeAtomically(directory.path, files({ "a.txt": "A", "dir/b": "B" }, 0o640)), true);
  assert.equal(await readlink(join(directory.path, "a.txt")), "..data/a.txt");
  assert.equal(await readlink(join(directory.path, "dir")), "..data/dir");
  const version = await readlink(join(directory.path, "..data"));
  assert.match(version, /^\.\.\d{4}(_\d\d){5}\.\d+$/);
  assert.equal(await readFile(join(directory.path, "dir/b"), "utf8"), "B");
  assert.equal((await lstat(join(directory.path, version, "a.txt"))).mode & 0o777, 0o640);
  assert.deepEqual((await readdir(directory.path)).sort(), ["..data", version, "a.txt", "dir"].sort());
});

test("writes nothing when nothing changed, and removes what is gone", async () => {
  using directory = scratch();
  await writeAtomically(directory.path, files({ a: "1", b: "2" }));
  const version = await readlink(join(directory.path, "..data"));
  assert.equal(await writeAtomically(directory.path, files({ a: "1", b: "2" })), false);
  assert.equal(await readlink(join(directory.path, "..data")), version);

  assert.equal(await writeAtomically(directory.path, files({ b: "3" })), true);
  const names = await readdir(directory.path);
  assert.equal(names.includes("a"), false);
  assert.equal(names.includes(version), false);
  assert.equal(await readFile(join(directory.path, "b"), "utf8"), "3");
});

test("heals what a crash left behind and leaves mount points alone", async () => {
  using directory = scratch();
  await writeAtomically(directory.path, files({ a: "1", b: "2" }));
  await mkdir(join(directory.path, "mounted-here"));
  await mkdir(join(directory.path, "..2020_01_01_00_00_00.1"));
  await writeFile(join(directory.path, "..2020_01_01_00_00_00.1", "torn"), "x");
  await symlink("..2020_01_01_00_00_00.1", join(directory.path, "..data_tmp"));
  rmSync(join(directory.path, "b"));
  assert.equal(await writeAtomically(directory.path, files({ a: "1", b: "2" })), false);
  assert.equal(await readFile(join(directory.path, "b"), "utf8"), "2", "a missing link is back");

  await writeAtomically(directory.path, files({ a: "2" }));
  const names = (await readdir(directory.path)).filter((name) => !name.startsWith("..2") || name.startsWith("..2020"));
  assert.deepEqual(names.sort(), ["..data", "a", "mounted-here"]);
});

test("a write that fails shows nothing and leaves nothing", async () => {
  using directory = scratch();
  await writeAtomically(directory.path, files({ a: "1" }));
  const before = (await readdir(directory.path)).sort();
  const full = async () => Promise.reject(new Error("ENOSPC"));
  await assert.rejects(writeAtomically(directory.path, files({ a: "2" }), full), /ENOSPC/);
  assert.deepEqual((await readdir(directory.path)).sort(), before);
  assert.equal(await readFile(join(directory.path, "a"), "utf8"), "1");
});

test("a version whose directory is gone is written anew", async () => {
  using directory = scratch();
  await writeAtomically(directory.path, files({ a: "1" }));
  rmSync(join(directory.path, await readlink(join(directory.path, "..data"))), { recursive: true });
  assert.equal(await writeAtomically(directory.path, files({ a: "1" })), true);
  assert.deepEqual(await readCurrentFiles(directory.path), new Map([["a", Buffer.from("1")]]));
});

for (const path of ["/etc/passwd", "../x", "a/../../b", "..data", "..x/y", "", "a\0b", "x".repeat(256)])
  test(`refuses the path ${JSON.stringify(path.slice(0, 20))}`, () =>
    assert.throws(() => checkFilePath(path), { code: "InvalidVolume" }));

test("accepts paths that stay inside", () => {
  assert.deepEqual(["a", "./a//b", ".hidden", "a/..b"].map(checkFilePath), ["a", "a/b", ".hidden", "a/..b"]);
});

const texts = fc.dictionary(fc.stringMatching(/^[a-c]{1,2}(\/[de])?$/), fc.string(), { minKeys: 1, maxKeys: 6 });
const treesOnly = texts.filter((tree) =>
  Object.keys(tree).every((path) => !(`${path}/d` in tree || `${path}/e` in tree)),
);

test("after any sequence of writes the volume holds exactly the last one", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(treesOnly, { minLength: 1, maxLength: 5 }), async (sequence) => {
      using directory = scratch();
      for (const tree of sequence) {
        await writeAtomically(directory.path, files(tree));
        const shown = await readCurrentFiles(directory.path);
        assert.deepEqual(
          Object.fromEntries([...shown].map(([path, data]) => [path, data.toString()])),
          Object.fromEntries(Object.entries(tree)),
        );
        for (const [path, text] of Object.entries(tree))
          assert.equal(await readFile(join(directory.path, path), "utf8"), text);
      }
    }),
    { numRuns: 40 },
  );
});

test("a reader that looks through ..data never sees two versions at once", async () => {
  using directory = scratch();
  const version = (number: number) => files({ first: `${number}`, second: `${number}`, "deep/third": `${number}` });
  await writeAtomically(directory.path, version(0));
  let writing = true;
  let consistent = 0;
  const reader = async () => {
    while (writing) {
      const root = join(directory.path, await readlink(join(directory.path, "..data"))); // ..data is always there
      try {
        const [a, b, c] = [
          await readFile(join(root, "first"), "utf8"),
          await readFile(join(root, "second"), "utf8"),
          await readFile(join(root, "deep/third"), "utf8"),
        ];
        assert.ok(a === b && b === c, `torn: ${a} ${b} ${c}`);
        consistent += 1;
      } catch (error) {
        // This version was replaced while we read it: look again. A torn one would not be missing.
        if (!hasErrno(error, "ENOENT")) throw error;
      }
      await readFile(join(directory.path, "first"), "utf8"); // the plain path always opens
    }
  };
  const readers = [reader(), reader()];
  for (let number = 1; number <= 200; number += 1) await writeAtomically(directory.path, version(number));
  writing = false;
  await Promise.all(readers);
  assert.ok(consistent > 0);
});
