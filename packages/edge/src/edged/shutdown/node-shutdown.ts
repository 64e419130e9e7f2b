import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { Pod } from "@kedge/kube";
import type { EventRecorder } from "../events/event-recorder.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import { groupPods, type ShutdownGroup, shutdownGraceSeconds } from "./plan-shutdown.ts";

export interface NodeShutdownDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventRecorder;
  readonly activePods: () => readonly Pod[];
  /** Resolves once nothing of the pod runs any more. */
  readonly endPod: (uid: string, verdict: PodVerdict, graceSeconds: number) => Promise<void>;
  /** The node is not ready, or ready again. */
  readonly onChanged: () => void;
}

const TERMINATED: PodVerdict = {
  phase: "Failed",
  reason: "Terminated",
  message: "Pod was terminated in response to imminent node shutdown.",
  isDisruption: true,
};
const REFUSED: PodVerdict = {
  phase: "Failed",
  reason: "NodeShutdown",
  message: "Pod was rejected: Pod was rejected as the node is shutting down.",
};

/** Ends pods in good order before the machine goes down: the unimportant first. */
export class NodeShutdown {
  readonly #groups: readonly ShutdownGroup[];
  readonly #deps: NodeShutdownDeps;
  #isActive = false;

  constructor(groups: readonly ShutdownGroup[], deps: NodeShutdownDeps) {
    this.#groups = groups;
    this.#deps = deps;
  }

  /** The machine is about to go down. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** How long all pods together may take. */
  get wholeMs(): number {
    return this.#groups.reduce((sum, { graceSeconds }) => sum + graceSeconds, 0) * 1000;
  }

  /** No pod comes in now. */
  refuse(): PodVerdict | undefined {
    return this.#isActive ? REFUSED : undefined;
  }

  /** Resolves once all pods have ended, or had their time. @throws the signal's reason */
  async begin(signal: AbortSignal): Promise<void> {
    const { events, logger, activePods, onChanged } = this.#deps;
    this.#isActive = true;
    events.ofNode("Normal", "NodeShutdown", "Shutdown manager detected shutdown event");
    onChanged();
    for (const [group, pods] of groupPods(this.#groups, activePods())) {
      if (pods.length > 0) await this.#endGroup(group, pods, signal);
    }
    logger.info("pods have ended, or had their time: the node can go down");
  }

  /** The machine stays up after all. What has ended stays so. */
  cancel(): void {
    if (!this.#isActive) return;
    this.#isActive = false;
    this.#deps.events.ofNode("Normal", "NodeShutdown", "Shutdown manager detected shutdown cancellation");
    this.#deps.onChanged();
  }

  async #endGroup(group: ShutdownGroup, pods: readonly Pod[], signal: AbortSignal): Promise<void> {
    const { clock, logger, endPod } = this.#deps;
    const { priority, graceSeconds } = group;
    logger.info({ priority, graceSeconds, pods: pods.length }, "ending pods, since the node goes down");
    const over = new AbortController();
    const late = clock.sleep(graceSeconds * 1000, AbortSignal.any([signal, over.signal])).then(
      () => logger.warn({ priority, graceSeconds }, "some pods have not ended in their time"),
      () => undefined,
    );
    const ended = pods.map((pod) => endPod(pod.metadata?.uid ?? "", TERMINATED, shutdownGraceSeconds(pod, group)));
    const all = Promise.all(ended).catch((error: unknown) =>
      logger.warn({ error: toError(error) }, "a pod could not be ended"),
    );
    await Promise.race([all, late]);
    over.abort();
    signal.throwIfAborted();
  }
}
