import assert from "node:assert/strict";
import { test } from "node:test";
import { checkNodeConfig } from "./check-node-config.ts";
import type { NodeReservation } from "./node-capacity.ts";
import type { NodeRegistration } from "./node-facts.ts";
import type { NodeReporterConfig } from "./node-reporter.ts";

function config(
  reservation: Partial<NodeReservation>,
  registration: Partial<NodeRegistration> = {},
): NodeReporterConfig {
  return {
    registration: { nodeName: "edge-1", ...registration },
    reservation: { maxPods: 110, ...reservation },
    nodeIP: "",
    rootDirectory: "/var/lib/kubelet",
    agentVersion: "0.1.0",
    registerNode: true,
    updateIntervalMs: 10_000,
    reportIntervalMs: 300_000,
  };
}

test("a node as it is commonly set up is fine", () => {
  const evictionHard = { "memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%" };
  const taints = [{ key: "edge", value: "", effect: "NoExecute" }];
  checkNodeConfig(config({ evictionHard, kubeReserved: { cpu: "100m", memory: "0.5Gi" } }, { taints }));
});

const wrong: { path: string; config: NodeReporterConfig }[] = [
  { path: "kubeReserved.memory", config: config({ kubeReserved: { memory: "lots" } }) },
  { path: "systemReserved.cpu", config: config({ systemReserved: { cpu: "10%" } }) },
  { path: "evictionHard.nodefs.available", config: config({ evictionHard: { "nodefs.available": "%" } }) },
  { path: "registerWithTaints[0]", config: config({}, { taints: [{ key: "a", effect: "Never" }] }) },
  { path: "registerWithTaints[0]", config: config({}, { taints: [{ key: "", effect: "NoExecute" }] }) },
];
for (const { path, config: given } of wrong)
  test(`says where edgecore.yaml is wrong: ${path}`, () =>
    assert.throws(() => checkNodeConfig(given), {
      details: { code: "InvalidNodeConfig", path: `modules.edged.tailoredKubeletConfig.${path}` },
    }));
