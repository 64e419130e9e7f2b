import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { pageBytes } from "./empty-dir.ts";
import { needsRoot, podWith, signal, VolumeNode } from "./volume-node.test-data.ts";

const asking = (...sizes: string[]) => ({
  containers: sizes.map((size) => ({ name: "c", resources: { limits: { [`hugepages-${size}`]: size } } })),
});
const volume = (medium: string) => ({ name: "v", emptyDir: { medium } });

for (const { medium, asked, bytes } of [
  { medium: "HugePages-1Gi", asked: [], bytes: 1024 ** 3 },
  { medium: "HugePages", asked: ["2Mi"], bytes: 2 * 1024 ** 2 },
  { medium: "HugePages", asked: ["2Mi", "2Mi"], bytes: 2 * 1024 ** 2 },
])
  test(`${medium} of a pod that asks for ${asked.join() || "none"} has pages of ${bytes} bytes`, () =>
    assert.equal(pageBytes(podWith(volume(medium), asking(...asked)), volume(medium)), bytes));

for (const asked of [[], ["2Mi", "1Gi"]])
  test(`HugePages of a pod that asks for ${asked.join() || "none"} is refused`, () =>
    assert.throws(() => pageBytes(podWith(volume("HugePages"), asking(...asked)), volume("HugePages")), {
      code: "InvalidVolume",
    }));

test("a volume of huge pages is a hugetlbfs", { skip: needsRoot || !hasHugePages() }, async () => {
  await using node = new VolumeNode();
  const volumes = await node.volumes();
  await volumes.prepare(podWith(volume("HugePages-2Mi")), signal);
  const line = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((one) => one.includes(node.path("kubernetes.io~empty-dir", "v")));
  assert.match(line ?? "", / - hugetlbfs .*pagesize=2M/);
  await volumes.release("uid-1", signal);
});

function hasHugePages(): boolean {
  return readFileSync("/proc/filesystems", "utf8").includes("hugetlbfs");
}
