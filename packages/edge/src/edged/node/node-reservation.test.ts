import assert from "node:assert/strict";
import { test } from "node:test";
import { loadEdgeCoreConfig } from "@kedge/api";
import { nodeReservation, reservedCgroups } from "./node-reservation.ts";

function edged(kubelet: string) {
  const yaml = `modules: {edged: {tailoredKubeletConfig: {${kubelet}}}}`;
  return loadEdgeCoreConfig(yaml, { hostname: "edge-1", localIP: "192.0.2.7" }).config.modules.edged;
}

test("which CPUs are reserved says how many, whatever else the reservations say of CPU", () => {
  const given = edged(
    'reservedSystemCPUs: "0-1", kubeReserved: {cpu: "3", memory: 1Gi}, systemReserved: {cpu: "4", memory: 2Gi}',
  );
  const { kubeReserved, systemReserved, enforcesPods } = nodeReservation(given, {});
  assert.deepEqual(
    { kubeReserved, systemReserved, enforcesPods },
    {
      kubeReserved: { memory: "1Gi" },
      systemReserved: { cpu: "2", memory: "2Gi" },
      enforcesPods: true,
    },
  );
});

test("cgroups of the machine are limited to what is reserved for them", () => {
  const reserved = "systemReserved: {cpu: 500m, memory: 1Gi, pid: '100'}, systemReservedCgroup: /system.slice";
  assert.deepEqual(reservedCgroups(edged(`enforceNodeAllocatable: [pods, system-reserved], ${reserved}`)), [
    { name: "/system.slice", values: { cpuShares: 512, memoryLimitBytes: 1024 ** 3, pidsMax: 100 } },
  ]);
  assert.deepEqual(reservedCgroups(edged(`enforceNodeAllocatable: [system-reserved-compressible], ${reserved}`)), [
    { name: "/system.slice", values: { cpuShares: 512 } },
  ]);
  assert.deepEqual(reservedCgroups(edged("enforceNodeAllocatable: [pods]")), []);
  assert.equal(nodeReservation(edged("enforceNodeAllocatable: [none]"), {}).enforcesPods, false);
});

const refused: { name: string; kubelet: string; path: string }[] = [
  { name: "an unknown one", kubelet: "enforceNodeAllocatable: [all]", path: "enforceNodeAllocatable[0]" },
  { name: "none with others", kubelet: "enforceNodeAllocatable: [pods, none]", path: "enforceNodeAllocatable[1]" },
  { name: "one twice", kubelet: "enforceNodeAllocatable: [pods, pods]", path: "enforceNodeAllocatable[1]" },
  { name: "no cgroup", kubelet: "enforceNodeAllocatable: [kube-reserved]", path: "kubeReservedCgroup" },
  {
    name: "no cgroups at all",
    kubelet: "cgroupsPerQOS: false, enforceNodeAllocatable: [pods, kube-reserved], kubeReservedCgroup: /k",
    path: "enforceNodeAllocatable[1]",
  },
  {
    name: "both kinds of one",
    kubelet: "enforceNodeAllocatable: [kube-reserved, kube-reserved-compressible], kubeReservedCgroup: /k",
    path: "enforceNodeAllocatable[0]",
  },
];
for (const { name, kubelet, path } of refused)
  test(`enforceNodeAllocatable: refuses ${name}`, () =>
    assert.throws(
      () => reservedCgroups(edged(kubelet)),
      (error) => error instanceof Error && error.message.startsWith(`modules.edged.tailoredKubeletConfig.${path} `),
    ));
