import type { EdgeCoreConfig } from "@kedge/api";
import type { EventRate } from "./events/event-queue.ts";
import type { EvictionConfig } from "./eviction/eviction-manager.ts";
import { evictionThresholds } from "./eviction/eviction-thresholds.ts";
import type { LogRotatorConfig } from "./gc/log-rotator.ts";
import type { ContainerGcPolicy } from "./gc/plan-container-gc.ts";
import type { ImageGcConfig } from "./images/image-gc.ts";
import { NodeConfigError } from "./node/check-node-config.ts";
import { LOGIND_DEFAULTS, type LogindConfig } from "./shutdown/logind-config.ts";
import { type ShutdownGroup, shutdownGroups } from "./shutdown/plan-shutdown.ts";
import { quantityValue } from "./resources/quantity.ts";

/** What keeps the node usable: limits, thresholds, and how often to look. */
export interface HousekeepingConfig {
  readonly events: EventRate;
  /** `registryPullQPS`, `registryBurst`; 0 a second: no limit. */
  readonly pulls: { readonly perSecond: number; readonly burst: number };
  readonly eviction: EvictionConfig;
  readonly containers: ContainerGcPolicy;
  readonly containersIntervalMs: number;
  readonly images: ImageGcConfig;
  readonly imagesIntervalMs: number;
  readonly logs: LogRotatorConfig;
  /** From the least important pods to the most; none: pods are not waited for when the machine goes down. */
  readonly shutdown: readonly ShutdownGroup[];
  readonly logind: LogindConfig;
}

/** A kubelet's defaults, but for thresholds: where the configuration has none, nothing is evicted. */
export const HOUSEKEEPING_DEFAULTS: HousekeepingConfig = {
  events: { perSecond: 50, burst: 100 },
  pulls: { perSecond: 5, burst: 10 },
  eviction: { thresholds: [], transitionMs: 300_000, softGraceSecondsMax: 0, limitsStorage: true, intervalMs: 10_000 },
  containers: { perContainerMax: 1, nodeMax: -1, ageMinMs: 0 },
  containersIntervalMs: 60_000,
  images: { highPercent: 85, lowPercent: 80, ageMinMs: 120_000, ageMaxMs: 0, sandboxImage: "" },
  imagesIntervalMs: 300_000,
  logs: { sizeMax: 10 * 1024 * 1024, filesMax: 5, workersMax: 1, intervalMs: 10_000 },
  shutdown: [],
  logind: LOGIND_DEFAULTS,
};

type KubeletYaml = EdgeCoreConfig["modules"]["edged"]["tailoredKubeletConfig"];

const EVICTION_HARD_DEFAULTS = {
  "memory.available": "100Mi",
  "nodefs.available": "10%",
  "nodefs.inodesFree": "5%",
  "imagefs.available": "15%",
  "imagefs.inodesFree": "5%",
};

const KUBELET = "modules.edged.tailoredKubeletConfig";

/** @throws NodeConfigError with path, value and what is expected there. */
export function housekeepingConfig(edged: EdgeCoreConfig["modules"]["edged"]): HousekeepingConfig {
  const kubelet = edged.tailoredKubeletConfig;
  const { imageGCHighThresholdPercent: highPercent, imageGCLowThresholdPercent: lowPercent } = kubelet;
  if (lowPercent > highPercent)
    throw invalid("imageGCLowThresholdPercent", lowPercent, "at most imageGCHighThresholdPercent");
  const { shutdownGracePeriod, shutdownGracePeriodCriticalPods: critical } = kubelet;
  if (critical > shutdownGracePeriod)
    throw invalid("shutdownGracePeriodCriticalPods", `${critical / 1000}s`, "at most shutdownGracePeriod");
  return {
    ...HOUSEKEEPING_DEFAULTS,
    events: { perSecond: kubelet.eventRecordQPS, burst: kubelet.eventBurst },
    pulls: { perSecond: kubelet.registryPullQPS, burst: kubelet.registryBurst },
    eviction: {
      ...HOUSEKEEPING_DEFAULTS.eviction,
      thresholds: evictionThresholds({
        hard: hardThresholds(kubelet),
        soft: kubelet.evictionSoft,
        softGraceMs: kubelet.evictionSoftGracePeriod,
        minimumReclaim: kubelet.evictionMinimumReclaim,
        enforcesPods: kubelet.enforceNodeAllocatable.includes("pods"),
      }),
      transitionMs: kubelet.evictionPressureTransitionPeriod,
      softGraceSecondsMax: kubelet.evictionMaxPodGracePeriod,
      limitsStorage: kubelet.localStorageCapacityIsolation,
    },
    containers: {
      perContainerMax: edged.maxPerPodContainerCount,
      nodeMax: edged.maxContainerCount,
      ageMinMs: edged.minimumGCAge,
    },
    images: {
      highPercent,
      lowPercent,
      ageMinMs: kubelet.imageMinimumGCAge,
      ageMaxMs: kubelet.imageMaximumGCAge,
      sandboxImage: edged.podSandboxImage,
    },
    logs: {
      sizeMax: logSize(kubelet.containerLogMaxSize),
      filesMax: kubelet.containerLogMaxFiles,
      workersMax: kubelet.containerLogMaxWorkers,
      intervalMs: kubelet.containerLogMonitorInterval,
    },
    shutdown: shutdownGroups({
      graceMs: shutdownGracePeriod,
      criticalGraceMs: critical,
      byPriority: (kubelet.shutdownGracePeriodByPodPriority ?? []).map((group) => ({
        priority: group.priority,
        graceSeconds: group.shutdownGracePeriodSeconds,
      })),
    }),
  };
}

/** With `mergeDefaultEvictionSettings` those that the file does not name keep their defaults; else they are off. */
export function hardThresholds({
  evictionHard,
  mergeDefaultEvictionSettings,
}: Pick<KubeletYaml, "evictionHard" | "mergeDefaultEvictionSettings">): Readonly<Record<string, string>> {
  return mergeDefaultEvictionSettings === true ? { ...EVICTION_HARD_DEFAULTS, ...evictionHard } : evictionHard;
}

function logSize(text: string): number {
  try {
    return quantityValue(text);
  } catch (error) {
    throw invalid("containerLogMaxSize", text, "a quantity such as 10Mi, or a negative one for no rotation", error);
  }
}

function invalid(key: string, value: string | number, expected: string, cause?: unknown): NodeConfigError {
  const path = `${KUBELET}.${key}`;
  const message = `${path} is ${JSON.stringify(value)}: expected ${expected}`;
  return new NodeConfigError(message, { code: "InvalidNodeConfig", path }, { cause });
}
