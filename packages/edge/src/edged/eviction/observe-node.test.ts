import assert from "node:assert/strict";
import { link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { directoryUsage } from "./directory-usage.ts";
import { memoryLeft, workingSetBytes } from "./observe-node.ts";

test("memory that the kernel can take back at once is left", () => {
  const meminfo = `MemTotal:       1000 kB
MemFree:         200 kB
MemAvailable:    900 kB
Inactive:        400 kB
Inactive(anon):  100 kB
Inactive(file):  300 kB
`;
  assert.deepEqual(memoryLeft(meminfo), { available: 500 * 1024, capacity: 1000 * 1024 });
});

test("a cgroup's working set is without it, in either version", () => {
  assert.equal(workingSetBytes(1000, "cache 5\ntotal_inactive_file 300\n"), 700);
  assert.equal(workingSetBytes(1000, "anon 5\ninactive_file 200\n"), 800);
  assert.equal(workingSetBytes(100, "inactive_file 200\n"), 0);
});

test("counts what files take, not how long they say they are, and each once", async () => {
  const root = await mkdtemp(join(tmpdir(), "kedge-usage-"));
  try {
    const signal = new AbortController().signal;
    await mkdir(join(root, "a", "b"), { recursive: true });
    const empty = await directoryUsage(root, signal);
    await writeFile(join(root, "a", "b", "file"), Buffer.alloc(1024 * 1024, 1));
    await link(join(root, "a", "b", "file"), join(root, "a", "again"));
    await writeFile(join(root, "sparse"), "");
    await truncate(join(root, "sparse"), 1024 ** 3);
    await symlink("/", join(root, "elsewhere"));
    const { bytes, inodes } = await directoryUsage(root, signal);
    assert.ok(bytes - empty.bytes >= 1024 * 1024 && bytes - empty.bytes < 1.2 * 1024 * 1024, String(bytes));
    assert.equal(inodes - empty.inodes, 3);
    assert.deepEqual(await directoryUsage(join(root, "gone"), signal), { bytes: 0, inodes: 0 });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
