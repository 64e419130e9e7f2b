import { cpuManagerConfig } from "./cpus/cpu-manager-config.ts";
import { dirname, join } from "node:path";
import type { EdgeCoreConfig } from "@kedge/api";
import { EDGED_CONFIG_DEFAULTS, type EdgedConfig } from "./edged-config.ts";
import { hardThresholds, housekeepingConfig } from "./housekeeping-config.ts";
import { nodeReservation, reservedCgroups } from "./node/node-reservation.ts";
import type { NodeReporterConfig } from "./node/node-reporter.ts";

/** Edged's part of edgecore.yaml. */
export function edgedConfig({ modules: { edged } }: EdgeCoreConfig): EdgedConfig {
  const kubelet = edged.tailoredKubeletConfig;
  return {
    ...EDGED_CONFIG_DEFAULTS,
    nodeName: edged.hostnameOverride,
    rootDirectory: edged.rootDirectory,
    podLogsDirectory: kubelet.podLogsDir,
    containerLogsDirectory: join(dirname(kubelet.podLogsDir), "containers"),
    runtimeEndpoint: kubelet.containerRuntimeEndpoint,
    imageEndpoint: kubelet.imageServiceEndpoint,
    runtimeRequestTimeoutMs: kubelet.runtimeRequestTimeout,
    syncFrequencyMs: kubelet.syncFrequency,
    reportEvent: edged.reportEvent,
    cgroupsPerQos: kubelet.cgroupsPerQOS,
    cgroupDriver: kubelet.cgroupDriver,
    cgroupRoot: kubelet.cgroupRoot ?? "/",
    podPidsLimit: kubelet.podPidsLimit,
    cpuCfsQuota: kubelet.cpuCFSQuota,
    cpuCfsQuotaPeriodMs: kubelet.cpuCFSQuotaPeriod,
    cpuManager: cpuManagerConfig(kubelet),
    reservedCgroups: reservedCgroups(edged),
    singleProcessOomKill: kubelet.singleProcessOOMKill === true,
    swapBehavior: kubelet.memorySwap.swapBehavior === "LimitedSwap" ? "LimitedSwap" : "NoSwap",
    memoryThrottlingFactor: kubelet.featureGates?.["MemoryQoS"] === true ? kubelet.memoryThrottlingFactor : undefined,
    clusterDns: kubelet.clusterDNS ?? [],
    clusterDomain: kubelet.clusterDomain,
    resolvConfPath: kubelet.resolvConf,
    seccompDefault: kubelet.seccompDefault || edged.seccompDefault === true,
    allowedUnsafeSysctls: kubelet.allowedUnsafeSysctls ?? [],
    serializeImagePulls: kubelet.serializeImagePulls,
    maxParallelImagePulls: kubelet.maxParallelImagePulls,
    pullAlwaysFallsBackOffline: kubelet.featureGates?.["ImagePullAlwaysFallsBackOffline"] === true,
    maxPods: kubelet.maxPods,
    housekeeping: housekeepingConfig(edged),
    staticPodPath: kubelet.staticPodPath,
    fileCheckIntervalMs: kubelet.fileCheckFrequency,
    crashBackoffMaxMs: kubelet.crashLoopBackOff.maxContainerRestartPeriod,
  };
}

/** What of edgecore.yaml makes the node's object and status. */
export function nodeReporterConfig({ modules: { edged } }: EdgeCoreConfig, agentVersion: string): NodeReporterConfig {
  const kubelet = edged.tailoredKubeletConfig;
  return {
    registration: {
      nodeName: edged.hostnameOverride,
      labels: edged.nodeLabels,
      taints: kubelet.registerWithTaints,
      schedulable: edged.registerSchedulable,
      port: kubelet.readOnlyPort,
    },
    reservation: nodeReservation(edged, hardThresholds(kubelet)),
    nodeIP: edged.nodeIP,
    interfaceName: edged.customInterfaceName,
    rootDirectory: edged.rootDirectory,
    agentVersion,
    registerNode: kubelet.registerNode,
    updateIntervalMs: kubelet.nodeStatusUpdateFrequency,
    reportIntervalMs: kubelet.nodeStatusReportFrequency,
  };
}
