import assert from "node:assert/strict";
import { test } from "node:test";
import { loadEdgeCoreConfig } from "@kedge/api";
import { housekeepingConfig } from "./housekeeping-config.ts";
import { nodeReporterConfig } from "./edged-settings.ts";

const host = { hostname: "edge-1", localIP: "192.0.2.1" };
const load = (edged: object) =>
  loadEdgeCoreConfig(JSON.stringify({ modules: { edged } }), host, { supported: new Set() }).config;
const read = (edged: object) => housekeepingConfig(load(edged).modules.edged);
const thresholds = (kubelet: object) =>
  read({ tailoredKubeletConfig: kubelet }).eviction.thresholds.map(({ signal }) => signal);

test("without a word in the file all is as KubeEdge has it", () => {
  const { eviction, images, containers, logs, pulls, events, shutdown } = read({});
  assert.deepEqual(
    eviction.thresholds.map(({ signal, value }) => [signal, value]),
    [
      ["imagefs.available", { share: 0.15 }],
      ["imagefs.inodesFree", { share: 0.05 }],
      ["memory.available", { units: 104_857_600 }],
      ["nodefs.available", { share: 0.1 }],
      ["nodefs.inodesFree", { share: 0.05 }],
      ["allocatableMemory.available", { units: 104_857_600 }],
    ],
  );
  assert.deepEqual([eviction.transitionMs, eviction.softGraceSecondsMax, eviction.limitsStorage], [300_000, 0, true]);
  const { sandboxImage, ...imageGc } = images;
  assert.equal(sandboxImage, "kubeedge/pause:3.6");
  assert.deepEqual(imageGc, { highPercent: 85, lowPercent: 80, ageMinMs: 120_000, ageMaxMs: 0 });
  assert.deepEqual(containers, { perContainerMax: 1, nodeMax: -1, ageMinMs: 0 });
  assert.deepEqual(logs, { sizeMax: 10_485_760, filesMax: 5, workersMax: 1, intervalMs: 10_000 });
  assert.deepEqual(
    [pulls, events],
    [
      { perSecond: 5, burst: 10 },
      { perSecond: 50, burst: 100 },
    ],
  );
  assert.deepEqual(shutdown, []);
});

test("thresholds that the file does not name are off, or, if it says so, keep their defaults", () => {
  const evictionHard = { "memory.available": "1Gi" };
  assert.deepEqual(thresholds({ evictionHard }), ["memory.available", "allocatableMemory.available"]);
  assert.equal(thresholds({ evictionHard, mergeDefaultEvictionSettings: true }).length, 6);
  const merged = load({ tailoredKubeletConfig: { evictionHard, mergeDefaultEvictionSettings: true } });
  assert.equal(nodeReporterConfig(merged, "0.1.0").reservation.evictionHard?.["nodefs.available"], "10%");
});

test("a time to shut down is split between pods and critical pods", () => {
  const { shutdown } = read({
    tailoredKubeletConfig: { shutdownGracePeriod: "30s", shutdownGracePeriodCriticalPods: "10s" },
  });
  assert.deepEqual(shutdown, [
    { priority: 0, graceSeconds: 20 },
    { priority: 2_000_000_000, graceSeconds: 10 },
  ]);
});

const wrong: { path: string; kubelet: object }[] = [
  { path: "containerLogMaxSize", kubelet: { containerLogMaxSize: "big" } },
  { path: "imageGCLowThresholdPercent", kubelet: { imageGCHighThresholdPercent: 50, imageGCLowThresholdPercent: 60 } },
  { path: "evictionHard.memory.free", kubelet: { evictionHard: { "memory.free": "1Gi" } } },
  { path: "evictionSoftGracePeriod.memory.available", kubelet: { evictionSoft: { "memory.available": "1Gi" } } },
  {
    path: "shutdownGracePeriodCriticalPods",
    kubelet: { shutdownGracePeriod: "10s", shutdownGracePeriodCriticalPods: "20s" },
  },
];
for (const { path, kubelet } of wrong)
  test(`says where edgecore.yaml is wrong: ${path}`, () =>
    assert.throws(() => read({ tailoredKubeletConfig: kubelet }), {
      details: { code: "InvalidNodeConfig", path: `modules.edged.tailoredKubeletConfig.${path}` },
    }));
