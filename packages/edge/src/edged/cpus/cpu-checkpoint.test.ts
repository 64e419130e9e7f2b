import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readCpuCheckpoint, writeCpuCheckpoint } from "./cpu-checkpoint.ts";

interface Vector {
  readonly name: string;
  readonly file: string;
}
const path = join(import.meta.dirname, "../../../../../test/vectors/kubelet-checkpoints.json");
const vectors = JSON.parse(readFileSync(path, "utf8")) as { cpu: Vector[]; cpuV3: Vector[] };

for (const { name, file } of vectors.cpu)
  test(`MUST-MATCH: reads and writes a kubelet's CPU state: ${name}`, () =>
    assert.equal(writeCpuCheckpoint(readCpuCheckpoint(file)), file));

for (const { file } of vectors.cpuV3)
  test("MUST-MATCH: reads the state of a kubelet that knows CPUs of whole pods", () =>
    assert.deepEqual([...(readCpuCheckpoint(file).entries.get("uid-1") ?? [])], [["app", new Set([1])]]));

test("a damaged state is told from a good one", () => {
  const [, , vector] = vectors.cpu;
  assert.ok(vector);
  assert.throws(() => readCpuCheckpoint(vector.file.replace("2-3", "2-4")), /checksum/);
});
