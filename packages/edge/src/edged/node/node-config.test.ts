import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultEdgeCoreConfig, loadEdgeCoreConfig } from "@kedge/api";
import { nodeLeaseConfig, nodeReporterConfig } from "./node-config.ts";

const host = { hostname: "edge-1", localIP: "10.0.0.5" };

function load(edged: string) {
  return loadEdgeCoreConfig(`modules: {edged: ${edged}}`, host, { supported: new Set() }).config;
}

test("KubeEdge's defaults are the node's", () => {
  assert.ok(defaultEdgeCoreConfig(host).includes("edge-1"));
  const config = nodeReporterConfig(load("{}"), "0.1.0");
  assert.deepEqual([config.updateIntervalMs, config.reportIntervalMs, config.registerNode], [10_000, 300_000, true]);
  assert.equal(config.registration.nodeName, "edge-1");
  assert.equal(config.registration.port, 10_350);
  assert.equal(config.reservation.evictionHard?.["memory.available"], "100Mi");
  assert.deepEqual(nodeLeaseConfig(load("{}")), { nodeName: "edge-1", durationSeconds: 40 });
});

test("taints lose what is empty", () => {
  const config = load("{tailoredKubeletConfig: {registerWithTaints: [{key: edge, value: '', effect: NoExecute}]}}");
  assert.deepEqual(nodeReporterConfig(config, "0").registration.taints, [{ key: "edge", effect: "NoExecute" }]);
});

for (const [edged, path] of [
  ["{tailoredKubeletConfig: {kubeReserved: {memory: lots}}}", "kubeReserved.memory"],
  ["{tailoredKubeletConfig: {systemReserved: {cpu: 10%}}}", "systemReserved.cpu"],
  ["{tailoredKubeletConfig: {evictionHard: {nodefs.available: '%'}}}", "evictionHard.nodefs.available"],
  ["{tailoredKubeletConfig: {registerWithTaints: [{key: a, effect: Never}]}}", "registerWithTaints[0]"],
] as const)
  test(`says where edgecore.yaml is wrong: ${path}`, () =>
    assert.throws(() => nodeReporterConfig(load(edged), "0"), {
      details: { code: "InvalidNodeConfig", path: `modules.edged.tailoredKubeletConfig.${path}` },
    }));
