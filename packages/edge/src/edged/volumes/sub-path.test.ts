import assert from "node:assert/strict";
import { readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode } from "@kedge/runtime";
import { mountPointsBelow } from "./run-mount.ts";
import { mountOf, needsRoot, podWith, signal, VolumeNode } from "./volume-node.test-data.ts";

test("subPath: a part of the volume is bound, made if missing, and may be expanded", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  const pod = podWith({ name: "data", emptyDir: {} }, {}, { subPathExpr: "logs/$(NAME)" });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const environment = [{ name: "NAME", value: "web" }];
  const { hostPath } = await mountOf(volumes, pod, environment);
  assert.equal(hostPath, join(node.rootDirectory, "pods/uid-1/volume-subpaths/data/c/0"));
  const inside = node.path("kubernetes.io~empty-dir", "data", "logs/web");
  writeFileSync(join(inside, "file"), "x");
  assert.equal(readFileSync(join(hostPath ?? "", "file"), "utf8"), "x");
  assert.equal(statSync(inside).mode & 0o777, 0o777, "as wide as the volume");

  await mountOf(volumes, pod, environment); // the container's next start
  assert.equal((await mountPointsBelow(node.rootDirectory)).length, 1);
  await volumes.release("uid-1", signal);
  assert.deepEqual(await mountPointsBelow(node.rootDirectory), []);
  await assert.rejects(mountOf(volumes, pod), (error) => hasCode(error, "CreateContainerConfigError"));
});

test("subPath: one file of a ConfigMap", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  node.configMaps["settings"] = { data: { "a.conf": "1" } };
  const pod = podWith({ name: "conf", configMap: { name: "settings" } }, {}, { subPath: "a.conf" });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  const { hostPath } = await mountOf(volumes, pod);
  assert.equal(readFileSync(hostPath ?? "", "utf8"), "1");
});

for (const subPath of ["../x", "/etc", "a/../../b"])
  test(`subPath ${subPath} is refused`, async () => {
    await using node = new VolumeNode();
    const pod = podWith({ name: "data", emptyDir: {} }, {}, { subPath });
    const volumes = await node.volumes();
    await volumes.prepare(pod, signal);
    await assert.rejects(mountOf(volumes, pod), (error) => hasCode(error, "CreateContainerConfigError"));
  });

test("subPath: a link that a container left in its volume does not lead to the host", { skip: needsRoot }, async () => {
  await using node = new VolumeNode();
  const pod = podWith({ name: "data", emptyDir: {} }, {}, { subPath: "evil/passwd" });
  const volumes = await node.volumes();
  await volumes.prepare(pod, signal);
  symlinkSync("/etc", node.path("kubernetes.io~empty-dir", "data", "evil"));
  await assert.rejects(mountOf(volumes, pod), /^ContainerConfigError: failed to prepare subPath/);
  assert.deepEqual(await mountPointsBelow(node.rootDirectory), []);
});
