import { CriError, type RuntimeEvent } from "@kedge/cri";
import { Backoff, isAbort, toError, WakeUp } from "@kedge/runtime";
import type { EdgedParts } from "../edged-parts.ts";
import { podOf } from "./read-runtime-pod.ts";
import type { RuntimePod } from "./runtime-pod.ts";

export type PodIdentity = Pick<RuntimePod, "uid" | "namespace" | "name">;

export interface RuntimeListener {
  /** Something happened. @returns false: to a container that nobody knows. */
  readonly onEvent: (event: RuntimeEvent) => boolean;
  /** A pod looks different than when all were listed before. */
  readonly onChanged: (pod: PodIdentity) => void;
  /** All pods of the runtime. */
  readonly onListed: (pods: readonly PodIdentity[]) => void;
}

const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 3_000;
/** Of a runtime that tells no events, and while its stream is broken. */
const POLL_MS = 1_000;

/**
 * Notices at once what happens in the runtime: by its events; and by listing all now and then, since an event may be
 * lost. A runtime without events is polled.
 */
export class RuntimeWatch {
  readonly #parts: Pick<EdgedParts, "cri" | "clock" | "logger" | "config">;
  readonly #listener: RuntimeListener;
  readonly #relist = new WakeUp();
  #prints = new Map<string, string>();
  #streaming = true;

  constructor(parts: Pick<EdgedParts, "cri" | "clock" | "logger" | "config">, listener: RuntimeListener) {
    this.#parts = parts;
    this.#listener = listener;
  }

  /** Lists now. */
  relist(): void {
    this.#relist.wake();
  }

  /** Watches until `signal` aborts, and rejects with its reason then. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#followEvents(signal), this.#listRegularly(signal)]);
  }

  async #followEvents(signal: AbortSignal): Promise<void> {
    const { cri, clock, logger } = this.#parts;
    const backoff = new Backoff({ initialMs: RECONNECT_MIN_MS, maxMs: RECONNECT_MAX_MS });
    for (;;) {
      try {
        for await (const event of cri.events(signal)) {
          this.#streaming = true;
          backoff.reset();
          if (!this.#listener.onEvent(event)) this.relist();
        }
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw error;
        this.#streaming = false;
        if (error instanceof CriError && error.code === "Unimplemented") {
          logger.info("the container runtime tells no events: it is polled instead");
          return;
        }
        logger.warn({ error: toError(error) }, "the container runtime's events broke off");
      }
      this.relist();
      await clock.sleep(backoff.next(), signal);
      this.#streaming = true; // if not, we shall hear at once
    }
  }

  async #listRegularly(signal: AbortSignal): Promise<void> {
    const { clock, logger, config } = this.#parts;
    for (;;) {
      try {
        await this.#list(signal);
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw error;
        logger.warn({ error: toError(error) }, "pods of the container runtime not listed");
      }
      await this.#relist.waitOr(this.#streaming ? config.relistIntervalMs : POLL_MS, clock, signal);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { runtime } = this.#parts.cri;
    const [sandboxes, containers] = await Promise.all([
      runtime.listPodSandboxes({}, signal),
      runtime.listContainers({}, signal),
    ]);
    const pods = new Map<string, PodIdentity>();
    const states = new Map<string, string[]>();
    for (const { id, labels, state } of [...sandboxes, ...containers]) {
      const pod = podOf(labels);
      if (pod === undefined) continue;
      pods.set(pod.uid, pod);
      states.set(pod.uid, [...(states.get(pod.uid) ?? []), `${id}:${state}`]);
    }
    const prints = new Map([...states].map(([uid, parts]) => [uid, parts.sort().join(" ")]));
    for (const [uid, pod] of pods) if (prints.get(uid) !== this.#prints.get(uid)) this.#listener.onChanged(pod);
    this.#prints = prints;
    this.#listener.onListed([...pods.values()]);
  }
}
