import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { PodSpec } from "@kedge/kube";
import { TEST_IMAGE, TestContainerd } from "@kedge/testing";
import { podOf, SERVE, startTestEdged, type TestEdged } from "./edged-harness.ts";

const skip = TestContainerd.missing();
const options = { skip, timeout: 60_000 };
/** DESIGN §8: ConfigMap update → seen in the mounted file. */
const PROPAGATION_MS_MAX = 2_000;

let scope: AsyncDisposableStack;
let edged: TestEdged;

before(async () => {
  if (skip !== false) return;
  scope = new AsyncDisposableStack();
  const containerd = scope.use(await TestContainerd.start());
  edged = scope.use(await startTestEdged(containerd));
});
after(async () => {
  await scope?.disposeAsync();
});

function withVolume(script: string, volume: NonNullable<PodSpec["volumes"]>[number]): Partial<PodSpec> {
  const volumeMounts = [{ name: volume.name, mountPath: "/v" }];
  const container = { name: "app", image: TEST_IMAGE, command: ["sh", "-c", script], volumeMounts };
  return { restartPolicy: "Never", containers: [container], volumes: [volume] };
}

test("a ConfigMap's change reaches the file of a running container within two seconds", options, async () => {
  const { meta } = edged;
  const settings = (color: string) => ({ metadata: { name: "settings", namespace: "default" }, data: { color } });
  meta.setConfigMap(settings("blue"));
  const script = 'while [ "$(cat /v/color)" != red ]; do sleep 0.02; done';
  meta.apply(podOf("follows", "", withVolume(script, { name: "conf", configMap: { name: "settings" } })));
  await meta.untilReady("follows");
  const changedAtMs = performance.now();
  meta.setConfigMap(settings("red"));
  await meta.untilPhase("follows", "Succeeded");
  assert.ok(performance.now() - changedAtMs < PROPAGATION_MS_MAX);
});

test("W-06b: a missing ConfigMap is told as FailedMount, and the pod starts once it is there", options, async () => {
  const { meta } = edged;
  meta.apply(podOf("waits", "", withVolume("cat /v/k", { name: "conf", configMap: { name: "late" } })));
  const event = await meta.until(() => meta.events.find(({ reason }) => reason === "FailedMount"));
  assert.equal(event.message, 'MountVolume.SetUp failed for volume "conf" : configmap "late" not found');
  meta.setConfigMap({ metadata: { name: "late", namespace: "default" }, data: { k: "v" } });
  await meta.untilPhase("waits", "Succeeded");
});

test("a pod that is gone leaves no directory and no mount", options, async () => {
  const { meta, config } = edged;
  const memory = { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } };
  const { metadata } = meta.apply(podOf("gone", "", withVolume(SERVE, memory)));
  await meta.untilReady("gone");
  const directory = join(config.rootDirectory, "pods", metadata?.uid ?? "");
  const mounts = () => readFileSync("/proc/self/mountinfo", "utf8");
  assert.ok(mounts().includes(join(directory, "volumes/kubernetes.io~empty-dir/memory")));
  meta.delete({ namespace: "default", name: "gone" }, 1);
  await meta.untilGone("gone");
  assert.equal(mounts().includes(directory), false);
  assert.equal((await readdir(join(config.rootDirectory, "pods"))).includes(metadata?.uid ?? ""), false);
});
