import { abortable, isAbort, toError } from "@kedge/runtime";
import type { Pod } from "@kedge/kube";
import type { EdgedParts } from "../edged-parts.ts";
import { isCriticalPod } from "../resources/qos-class.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import { evictionMessage } from "./eviction-message.ts";
import { type EvictionSignal, type Observations, type PressureCondition, SIGNALS } from "./eviction-signals.ts";
import type { Threshold } from "./eviction-thresholds.ts";
import { isRelieved, judgePressure, NO_PRESSURE_YET, type PressureState } from "./judge-pressure.ts";
import type { ActivePod, Measure } from "./measure-pods.ts";
import type { NodeObserver } from "./observe-node.ts";
import type { PodUsage } from "./pod-usage.ts";
import { rankPods } from "./rank-pods.ts";
import { hasStorageLimit, storageViolation } from "./storage-violation.ts";

export interface EvictionConfig {
  readonly thresholds: readonly Threshold[];
  /** `evictionPressureTransitionPeriod` */
  readonly transitionMs: number;
  /** `evictionMaxPodGracePeriod`: what a pod gets at most when a soft threshold evicts it. */
  readonly softGraceSecondsMax: number;
  /** `localStorageCapacityIsolation`: limits of emptyDirs and ephemeral storage count. */
  readonly limitsStorage: boolean;
  readonly intervalMs: number;
}

export interface EvictionDeps {
  readonly parts: EdgedParts;
  readonly observer: NodeObserver;
  readonly activePods: () => readonly ActivePod[];
  /** Resolves once nothing of the pod runs any more. */
  readonly endPod: (uid: string, verdict: PodVerdict, graceSeconds: number) => Promise<void>;
  /** Removes what nobody needs: dead containers, images. */
  readonly reclaim: (signal: AbortSignal) => Promise<void>;
  /** Other conditions than before. */
  readonly onChanged: () => void;
}

const HARD_GRACE_SECONDS = 1;
/** We go on after this, although the pod still has not ended. */
const CLEANUP_WAIT_MS_MAX = 30_000;
/** Measuring what pods have written may take this part of the time. */
const MEASURING_SHARE_MAX = 0.05;

/** What a kubelet tells when a condition ends, and when it begins. */
const STATUS_REASONS: Readonly<Record<PressureCondition, readonly [ends: string, begins: string]>> = {
  MemoryPressure: ["NodeHasSufficientMemory", "NodeHasInsufficientMemory"],
  DiskPressure: ["NodeHasNoDiskPressure", "NodeHasDiskPressure"],
  PIDPressure: ["NodeHasSufficientPID", "NodeHasInsufficientPID"],
};

/** Watches what runs out on the node, and evicts pods before the kernel kills whatever it finds. */
export class EvictionManager {
  readonly #config: EvictionConfig;
  readonly #deps: EvictionDeps;
  #state: PressureState = NO_PRESSURE_YET;
  #conditions: ReadonlySet<PressureCondition> = new Set();
  #measureAtMs = 0;

  constructor(config: EvictionConfig, deps: EvictionDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  get conditions(): ReadonlySet<PressureCondition> {
    return this.#conditions;
  }

  /** Watches until `signal` aborts, and rejects with its reason then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps.parts;
    for (;;) {
      let evicted = false;
      try {
        evicted = await this.#round(signal);
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw error;
        logger.warn({ error: toError(error) }, "pressure on this node not looked at");
      }
      if (!evicted) await clock.sleep(this.#config.intervalMs, signal);
    }
  }

  /** @returns whether a pod was evicted: then it is worth looking again at once. */
  async #round(signal: AbortSignal): Promise<boolean> {
    const { thresholds, limitsStorage } = this.#config;
    if (limitsStorage && (await this.#enforceStorageLimits(signal))) return true;
    if (thresholds.length === 0) return false;
    const { observer, parts, reclaim } = this.#deps;
    const observations = await observer.observe(signal);
    const due = this.#judge(observations);
    const [first] = due;
    if (first === undefined) return false;

    const { resource } = SIGNALS[first.signal];
    parts.events.ofNode("Warning", "EvictionThresholdMet", `Attempting to reclaim ${resource}`);
    if (canReclaim(first.signal, observer.separateImages)) {
      await reclaim(signal);
      if (isRelieved(thresholds, await observer.observe(signal))) return false;
    }
    return this.#evictOne(first, due, observations, signal);
  }

  #judge(observations: Observations): readonly Threshold[] {
    const { parts, onChanged } = this.#deps;
    const { thresholds, transitionMs } = this.#config;
    const nowMs = parts.clock.monotonic();
    const verdict = judgePressure(this.#state, thresholds, observations, nowMs, transitionMs);
    const changed = verdict.conditions.symmetricDifference(this.#conditions);
    this.#state = verdict.state;
    this.#conditions = verdict.conditions;
    for (const condition of changed) {
      const reason = STATUS_REASONS[condition][verdict.conditions.has(condition) ? 1 : 0];
      parts.events.ofNode("Normal", reason, `Node ${parts.node.name} status is now: ${reason}`);
    }
    if (changed.size > 0) onChanged();
    return verdict.due;
  }

  async #evictOne(
    threshold: Threshold,
    due: readonly Threshold[],
    observations: Observations,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { parts, observer, activePods } = this.#deps;
    const active = activePods().filter(({ runtime }) => runtime.sandboxes.length > 0); // the others take nothing yet
    const { measurePods } = await import("./measure-pods.ts"); // most nodes never need to
    const usages = await measurePods(active, measureFor(threshold.signal), parts, signal);
    const usageOf = ({ metadata }: Pod): PodUsage | undefined => usages.get(metadata?.uid ?? "");
    const evictable = active.map(({ pod }) => pod).filter((pod) => !isCriticalPod(pod));
    const [worst] = rankPods(evictable, threshold.signal, usageOf, observer.separateImages);
    if (worst === undefined) {
      parts.logger.warn({ signal: threshold.signal }, "a threshold is met, but there is no pod to evict");
      return false;
    }
    const own = worst.spec?.terminationGracePeriodSeconds ?? Number.POSITIVE_INFINITY;
    const grace = threshold.graceMs === 0 ? HARD_GRACE_SECONDS : Math.min(this.#config.softGraceSecondsMax, own);
    const message = evictionMessage(worst, threshold.signal, due, observations, usageOf(worst));
    await this.#evict(worst, message, grace, true, signal);
    return true;
  }

  /** Pods that wrote more than they may. @returns whether one was evicted. */
  async #enforceStorageLimits(signal: AbortSignal): Promise<boolean> {
    const { parts, observer, activePods } = this.#deps;
    const limited = activePods().filter(({ pod }) => hasStorageLimit(pod) && !isCriticalPod(pod));
    const beganAtMs = parts.clock.monotonic();
    if (limited.length === 0 || beganAtMs < this.#measureAtMs) return false;
    await observer.imageDirectory(signal); // tells whether images are apart
    const measure = { memory: false, disk: true, processes: false };
    const { measurePods } = await import("./measure-pods.ts"); // most nodes never need to
    const usages = await measurePods(limited, measure, parts, signal);
    const tookMs = parts.clock.monotonic() - beganAtMs;
    this.#measureAtMs = beganAtMs + tookMs / MEASURING_SHARE_MAX;
    const evictions = limited.map(async ({ pod }) => {
      const usage = usages.get(pod.metadata?.uid ?? "");
      const message = usage === undefined ? undefined : storageViolation(pod, usage, observer.separateImages);
      if (message !== undefined) await this.#evict(pod, message, HARD_GRACE_SECONDS, false, signal);
      return message !== undefined;
    });
    return (await Promise.all(evictions)).includes(true);
  }

  async #evict(
    pod: Pod,
    message: string,
    graceSeconds: number,
    isDisruption: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { parts, endPod } = this.#deps;
    const { namespace, name, uid = "" } = pod.metadata ?? {};
    parts.logger.warn({ pod: name, namespace, message }, "evicting a pod");
    parts.events.warn(pod, "Evicted", message);
    const ended = endPod(uid, { phase: "Failed", reason: "Evicted", message, isDisruption }, graceSeconds);
    const over = new AbortController();
    const waited = parts.clock
      .sleep(CLEANUP_WAIT_MS_MAX, AbortSignal.any([signal, over.signal]))
      .catch(() => undefined);
    try {
      await abortable(Promise.race([ended, waited]), signal);
    } finally {
      over.abort();
    }
  }
}

function canReclaim(signal: EvictionSignal, separateImages: boolean): boolean {
  if (SIGNALS[signal].condition !== "DiskPressure") return false;
  return !separateImages || signal.startsWith("imagefs");
}

function measureFor(signal: EvictionSignal): Measure {
  const { condition } = SIGNALS[signal];
  return {
    memory: condition === "MemoryPressure",
    disk: condition === "DiskPressure",
    processes: condition === "PIDPressure",
  };
}
