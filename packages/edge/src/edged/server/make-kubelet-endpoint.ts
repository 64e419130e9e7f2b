import type { CriClient } from "@kedge/cri";
import type { Clock } from "@kedge/runtime";
import type { EdgedConfig } from "../edged-config.ts";
import type { Edged } from "../edged.ts";
import { cgroupPath, kubepodsCgroup, podCgroup } from "../resources/cgroup-names.ts";
import { NodeStats } from "../stats/node-stats.ts";
import { KubeletEndpoint } from "./kubelet-endpoint.ts";

/** Puts the endpoint and its measuring together. */
export function makeKubeletEndpoint(
  config: EdgedConfig,
  {
    clock,
    cri,
    edged,
    kubeletConfig,
  }: {
    readonly clock: Clock;
    readonly cri: CriClient;
    readonly edged: Pick<Edged, "pods" | "listed" | "probeMetrics" | "problem">;
    readonly kubeletConfig: object;
  },
): KubeletEndpoint {
  const { nodeName, rootDirectory, podLogsDirectory, cgroupDriver, cgroupRoot, cgroupsPerQos } = config;
  const pods = () => edged.pods();
  const stats = new NodeStats({
    cri,
    pods,
    podCgroup: (pod) => (cgroupsPerQos ? cgroupPath(podCgroup(pod, cgroupRoot), cgroupDriver) : undefined),
    podsCgroup: cgroupsPerQos ? cgroupPath(kubepodsCgroup(cgroupRoot), cgroupDriver) : undefined,
    cgroupDriver,
    nodeName,
    rootDirectory,
    podLogsDirectory,
  });
  const probeMetrics = () => edged.probeMetrics();
  const problem = () => edged.problem();
  const listed = () => edged.listed;
  return new KubeletEndpoint({
    listed,
    cri,
    clock,
    pods,
    stats,
    kubeletConfig,
    podLogsDirectory,
    probeMetrics,
    problem,
  });
}
