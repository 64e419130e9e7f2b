import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { kubeletChecksum } from "../kubelet-checksum.ts";
import { readDeviceCheckpoint, writeDeviceCheckpoint } from "./device-checkpoint.ts";

interface Vector {
  readonly name: string;
  readonly file: string;
  readonly dump: string;
}
const path = join(import.meta.dirname, "../../../../../test/vectors/kubelet-checkpoints.json");
const vectors = (JSON.parse(readFileSync(path, "utf8")) as { devices: Vector[] }).devices;

for (const { name, file, dump } of vectors) {
  test(`MUST-MATCH: reads a kubelet's checkpoint: ${name}`, () => {
    assert.equal(kubeletChecksum(dump), (JSON.parse(file) as { Checksum: number }).Checksum);
    const checkpoint = readDeviceCheckpoint(file);
    assert.deepEqual(readDeviceCheckpoint(writeDeviceCheckpoint(checkpoint)), checkpoint);
  });
}

test("MUST-MATCH: writes what a kubelet writes", () => {
  const vector = vectors.find(({ name }) => name === "one pod");
  assert.ok(vector);
  const written = writeDeviceCheckpoint(readDeviceCheckpoint(vector.file));
  assert.deepEqual(JSON.parse(written), JSON.parse(vector.file));
});

test("a damaged checkpoint is told from a good one", () => {
  const [vector] = vectors.slice(2);
  assert.ok(vector);
  assert.throws(() => readDeviceCheckpoint(vector.file.replace("gpu-1", "gpu-9")), /checksum/);
  assert.throws(() => readDeviceCheckpoint(vector.file.slice(0, 50)), SyntaxError);
  assert.throws(() => readDeviceCheckpoint("{}"));
});
