import assert from "node:assert/strict";
import { lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode } from "@kedge/runtime";
import { mountOf, podWith, signal, VolumeNode } from "./volume-node.test-data.ts";

const hostPaths: { type: string; existing?: "file" | "directory"; ok: boolean }[] = [
  { type: "", ok: true },
  { type: "DirectoryOrCreate", ok: true },
  { type: "DirectoryOrCreate", existing: "directory", ok: true },
  { type: "DirectoryOrCreate", existing: "file", ok: false },
  { type: "Directory", ok: false },
  { type: "Directory", existing: "directory", ok: true },
  { type: "FileOrCreate", ok: true },
  { type: "File", existing: "directory", ok: false },
  { type: "File", existing: "file", ok: true },
  { type: "Socket", existing: "file", ok: false },
  { type: "CharDevice", existing: "file", ok: false },
  { type: "BlockDevice", existing: "file", ok: false },
  { type: "Nonsense", ok: false },
];

for (const { type, existing, ok } of hostPaths)
  test(`hostPath of type "${type}" on ${existing ?? "nothing"} ${ok ? "mounts" : "is refused"}`, async () => {
    await using node = new VolumeNode();
    const path = join(node.rootDirectory, "host");
    if (existing === "file") writeFileSync(path, "");
    if (existing === "directory") mkdirSync(path);
    const pod = podWith(
      { name: "h", hostPath: { path, type } },
      {},
      { readOnly: true, mountPropagation: "HostToContainer" },
    );
    const volumes = await node.volumes();
    if (!ok) {
      await assert.rejects(volumes.prepare(pod, signal), (error) => hasCode(error, "HostPathTypeMismatch"));
      return;
    }
    await volumes.prepare(pod, signal);
    assert.deepEqual(await mountOf(volumes, pod), {
      containerPath: "/v",
      hostPath: path,
      readonly: true,
      propagation: 1,
    });
    await volumes.release("uid-1", signal);
    if (type === "DirectoryOrCreate" && existing === undefined) assert.ok(lstatSync(path).isDirectory(), "stays");
  });
