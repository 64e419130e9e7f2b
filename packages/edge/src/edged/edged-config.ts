import type { ReservedCgroup } from "./node/node-reservation.ts";
import { CPU_MANAGER_OFF, type CpuManagerConfig } from "./cpus/cpu-manager-config.ts";
import { HOUSEKEEPING_DEFAULTS, type HousekeepingConfig } from "./housekeeping-config.ts";

/** Edged's settings, from `modules.edged` of edgecore.yaml; durations in ms. */
export interface EdgedConfig {
  /** `hostnameOverride` */
  readonly nodeName: string;
  /** `rootDirectory`: pods' directories. */
  readonly rootDirectory: string;
  /** `podLogsDir` */
  readonly podLogsDirectory: string;
  /** Links by container, as log collectors expect them. */
  readonly containerLogsDirectory: string;
  /** `containerRuntimeEndpoint`, `imageServiceEndpoint` */
  readonly runtimeEndpoint: string;
  readonly imageEndpoint: string;
  /** `runtimeRequestTimeout` */
  readonly runtimeRequestTimeoutMs: number;
  /** Each pod is looked at again after this time, and up to half of it more, even if nothing happened. */
  readonly syncFrequencyMs: number;
  /** All pods are listed this often, should an event of the runtime have been missed. */
  readonly relistIntervalMs: number;
  readonly reportEvent: boolean;
  readonly cgroupsPerQos: boolean;
  readonly cgroupDriver: "cgroupfs" | "systemd";
  readonly cgroupRoot: string;
  readonly podPidsLimit: number;
  readonly cpuCfsQuota: boolean;
  readonly cpuCfsQuotaPeriodMs: number;
  readonly cpuManager: CpuManagerConfig;
  /** `enforceNodeAllocatable`, beside pods. */
  readonly reservedCgroups: readonly ReservedCgroup[];
  /** `singleProcessOOMKill`; cgroup v2 only. */
  readonly singleProcessOomKill: boolean;
  readonly swapBehavior: "NoSwap" | "LimitedSwap";
  /** `memoryThrottlingFactor`, with the gate `MemoryQoS` on; else undefined. */
  readonly memoryThrottlingFactor: number | undefined;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** `resolvConf`: the host's; empty: none. */
  readonly resolvConfPath: string;
  readonly seccompDefault: boolean;
  readonly allowedUnsafeSysctls: readonly string[];
  readonly serializeImagePulls: boolean;
  /** Only without {@link serializeImagePulls}; undefined: no limit but {@link IMAGE_PULLS_MAX}. */
  readonly maxParallelImagePulls: number | undefined;
  /**
   * Ours, `featureGates.ImagePullAlwaysFallsBackOffline`: whether with `imagePullPolicy: Always` every container may start
   * from the image on the node while the registry cannot be reached. Default false: only one that ran from it before.
   */
  readonly pullAlwaysFallsBackOffline: boolean;
  readonly maxPods: number;
  readonly housekeeping: HousekeepingConfig;
  /** `staticPodPath`: a folder of pods, or one file; empty: none. */
  readonly staticPodPath: string;
  /** `fileCheckFrequency` */
  readonly fileCheckIntervalMs: number;
  /** `crashLoopBackOff.maxContainerRestartPeriod` */
  readonly crashBackoffMaxMs: number;
}

/** KubeEdge's defaults; tests and callers override what they need. */
export const EDGED_CONFIG_DEFAULTS: Omit<EdgedConfig, "nodeName"> = {
  rootDirectory: "/var/lib/kubelet",
  podLogsDirectory: "/var/log/pods",
  containerLogsDirectory: "/var/log/containers",
  runtimeEndpoint: "unix:///run/containerd/containerd.sock",
  imageEndpoint: "unix:///run/containerd/containerd.sock",
  runtimeRequestTimeoutMs: 120_000,
  syncFrequencyMs: 60_000,
  relistIntervalMs: 10_000,
  reportEvent: false,
  cgroupsPerQos: true,
  cgroupDriver: "cgroupfs",
  cgroupRoot: "/",
  podPidsLimit: -1,
  cpuCfsQuota: true,
  cpuCfsQuotaPeriodMs: 100,
  cpuManager: CPU_MANAGER_OFF,
  reservedCgroups: [],
  singleProcessOomKill: false,
  swapBehavior: "NoSwap",
  memoryThrottlingFactor: undefined,
  clusterDns: [],
  clusterDomain: "cluster.local",
  resolvConfPath: "/etc/resolv.conf",
  seccompDefault: false,
  allowedUnsafeSysctls: [],
  serializeImagePulls: true,
  maxParallelImagePulls: undefined,
  pullAlwaysFallsBackOffline: false,
  maxPods: 110,
  housekeeping: HOUSEKEEPING_DEFAULTS,
  staticPodPath: "",
  fileCheckIntervalMs: 20_000,
  crashBackoffMaxMs: 300_000,
};
