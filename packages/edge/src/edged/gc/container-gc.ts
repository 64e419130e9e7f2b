import { toError } from "@kedge/runtime";
import type { EdgedParts } from "../edged-parts.ts";
import { removeContainer } from "../runtime/remove-dead.ts";
import type { RuntimeContainer, RuntimePod } from "../runtime/runtime-pod.ts";
import { type ContainerGcPolicy, type DeadContainers, planContainerGc } from "./plan-container-gc.ts";

/** A pod of this node, as its worker last saw it. */
export interface KnownPod {
  readonly runtime: RuntimePod;
  /** It has ended, and all that is left of it are records. */
  readonly isOver: boolean;
}

/** Removes dead containers beyond what the node shall keep. What is too much of one pod its own worker removes. */
export class ContainerGc {
  readonly #policy: ContainerGcPolicy;
  readonly #parts: EdgedParts;
  readonly #pods: () => readonly KnownPod[];

  constructor(policy: ContainerGcPolicy, parts: EdgedParts, pods: () => readonly KnownPod[]) {
    this.#policy = policy;
    this.#parts = parts;
    this.#pods = pods;
  }

  /** Keeps to `maxContainerCount`. */
  async collect(signal: AbortSignal): Promise<void> {
    await this.#remove(this.#policy, signal);
  }

  /** The disk is full: removes every dead container of pods that are over. */
  async removeAllOver(signal: AbortSignal): Promise<void> {
    for (const { runtime, isOver } of this.#pods())
      if (isOver) for (const container of runtime.containers) await this.#removeOne(runtime, container, signal);
  }

  async #remove(policy: ContainerGcPolicy, signal: AbortSignal): Promise<void> {
    const groups: DeadContainers[] = [];
    const owners = new Map<RuntimeContainer, RuntimePod>();
    for (const { runtime, isOver } of this.#pods()) {
      const dead = runtime.containers.filter(({ state }) => state === "exited");
      for (const container of dead) owners.set(container, runtime);
      for (const name of new Set(dead.map((container) => container.name)))
        groups.push({ isOver, containers: dead.filter((container) => container.name === name) });
    }
    for (const container of planContainerGc(groups, policy, this.#parts.clock.now())) {
      const owner = owners.get(container);
      if (owner !== undefined) await this.#removeOne(owner, container, signal);
    }
  }

  async #removeOne(pod: RuntimePod, container: RuntimeContainer, signal: AbortSignal): Promise<void> {
    try {
      await removeContainer(pod, container, this.#parts, signal);
    } catch (error) {
      signal.throwIfAborted();
      const facts = { pod: pod.name, namespace: pod.namespace, container: container.name, error: toError(error) };
      this.#parts.logger.warn(facts, "dead container not removed");
    }
  }
}
