import type { Pod } from "@kedge/kube";
import { abortable, isAbort, toError } from "@kedge/runtime";
import type { EdgedParts } from "./edged-parts.ts";
import { refuseUnderPressure } from "./eviction/admit-under-pressure.ts";
import { EvictionManager } from "./eviction/eviction-manager.ts";
import type { ActivePod } from "./eviction/measure-pods.ts";
import { NodeObserver } from "./eviction/observe-node.ts";
import { ContainerGc, type KnownPod } from "./gc/container-gc.ts";
import { LogRotator, type WrittenLog } from "./gc/log-rotator.ts";
import { ImageGc } from "./images/image-gc.ts";
import type { NodeHealth } from "./node/node-conditions.ts";
import { removeLeftovers } from "./pods/remove-leftovers.ts";
import { kubepodsCgroup, cgroupPath } from "./resources/cgroup-names.ts";
import { quantityValue } from "./resources/quantity.ts";
import { NodeShutdown } from "./shutdown/node-shutdown.ts";
import { watchShutdown } from "./shutdown/watch-shutdown.ts";
import type { PodVerdict } from "./status/pod-status.ts";

/** What keeping house must know of the node's pods, and do to them. */
export interface HousekeepingPods {
  readonly all: () => readonly Pod[];
  readonly active: () => readonly ActivePod[];
  readonly known: () => readonly KnownPod[];
  readonly has: (uid: string) => boolean;
  /** Resolves once nothing of the pod runs any more. */
  readonly endFor: (uid: string, verdict: PodVerdict, graceSeconds: number) => Promise<void>;
  /** Resolves once it is known which pods there shall be. */
  readonly listed: Promise<void>;
}

/** Keeps the node usable over months: watches what runs out, removes what nobody needs, rotates logs. */
export class Housekeeping {
  readonly #parts: EdgedParts;
  readonly #pods: HousekeepingPods;
  readonly #eviction: EvictionManager;
  readonly #containers: ContainerGc;
  readonly #images: ImageGc;
  readonly #logs: LogRotator;
  readonly #shutdown: NodeShutdown;
  #isReady: boolean | undefined;
  #onNodeChanged: (() => void) | undefined;

  constructor(parts: EdgedParts, pods: HousekeepingPods) {
    this.#parts = parts;
    this.#pods = pods;
    const { config, cri, clock, logger, events, node } = parts;
    const { housekeeping: keeping } = config;
    const observer = new NodeObserver(
      keeping.eviction.thresholds.map(({ signal }) => signal),
      {
        images: cri.images,
        logger,
        rootDirectory: config.rootDirectory,
        podsCgroup:
          parts.cgroups === undefined ? undefined : cgroupPath(kubepodsCgroup(config.cgroupRoot), config.cgroupDriver),
        podsMemoryBytes: () => quantityValue(node.podsLimit().memory),
      },
    );
    const directory = (signal: AbortSignal) => observer.imageDirectory(signal);
    this.#containers = new ContainerGc(keeping.containers, parts, pods.known);
    this.#images = new ImageGc(keeping.images, { cri, clock, logger, events, pods: pods.all, directory });
    this.#logs = new LogRotator(keeping.logs, parts, () => writtenLogs(pods.known()));
    this.#eviction = new EvictionManager(keeping.eviction, {
      parts,
      observer,
      activePods: pods.active,
      endPod: pods.endFor,
      reclaim: async (signal) => {
        await this.#containers.removeAllOver(signal);
        await this.#images.removeUnused(signal);
      },
      onChanged: () => this.noteNodeChanged(),
    });
    this.#shutdown = new NodeShutdown(keeping.shutdown, {
      clock,
      logger,
      events,
      activePods: () => pods.active().map(({ pod }) => pod),
      endPod: pods.endFor,
      onChanged: () => this.noteNodeChanged(),
    });
  }

  /** What of the node runs out, and why it cannot run pods now, in a kubelet's words. */
  get health(): NodeHealth {
    const { conditions } = this.#eviction;
    return {
      pressure: {
        memory: conditions.has("MemoryPressure"),
        disk: conditions.has("DiskPressure"),
        pid: conditions.has("PIDPressure"),
      },
      errors: this.#shutdown.isActive ? ["node is shutting down"] : [],
    };
  }

  /** Calls `listener` when {@link health}, or what else the node tells of itself, changed. */
  onNodeChanged(listener: () => void): void {
    this.#onNodeChanged = listener;
  }

  noteNodeChanged(): void {
    this.#onNodeChanged?.();
  }

  /** Tells users when the node becomes ready, and when it is not any more. */
  tellReady(ready: boolean): void {
    if (ready === this.#isReady) return;
    this.#isReady = ready;
    const reason = ready ? "NodeReady" : "NodeNotReady";
    this.#parts.events.ofNode("Normal", reason, `Node ${this.#parts.node.name} status is now: ${reason}`);
  }

  /** Whether the node, as it is now, takes this pod. */
  refuse(pod: Pod): PodVerdict | undefined {
    return this.#shutdown.refuse() ?? refuseUnderPressure(pod, this.#eviction.conditions);
  }

  /** Works until `signal` aborts, and rejects with its reason then. */
  async run(signal: AbortSignal): Promise<void> {
    const { containersIntervalMs, imagesIntervalMs } = this.#parts.config.housekeeping;
    this.#parts.events.ofNode("Normal", "Starting", "Starting kubelet.");
    await abortable(this.#pods.listed, signal);
    const { shutdown, logind } = this.#parts.config.housekeeping;
    await Promise.all([
      ...(shutdown.length > 0 ? [watchShutdown(this.#shutdown, logind, this.#parts, signal)] : []),
      this.#eviction.run(signal),
      this.#logs.run(signal),
      this.#regularly("dead containers and files", containersIntervalMs, () => this.#collect(signal), signal),
      this.#regularly("images", imagesIntervalMs, () => this.#images.collect(signal), signal),
    ]);
  }

  async #collect(signal: AbortSignal): Promise<void> {
    await this.#containers.collect(signal);
    await removeLeftovers(this.#parts, this.#pods.has, signal);
  }

  async #regularly(what: string, intervalMs: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts;
    for (;;) {
      await clock.sleep(intervalMs, signal);
      try {
        await work();
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw error;
        logger.warn({ what, error: toError(error) }, "garbage not collected");
      }
    }
  }
}

/** Also of pods that are about to end, which may take its time. */
function writtenLogs(pods: readonly KnownPod[]): WrittenLog[] {
  return pods.flatMap(({ runtime }) =>
    runtime.containers
      .filter(({ state, logPath }) => state === "running" && logPath !== "")
      .map(({ id, logPath }) => ({ containerId: id, logPath })),
  );
}
