import { type Logger, toError } from "@kedge/runtime";
import type { StateFile } from "../state-file.ts";
import type { Allocation } from "./pod-allocation.ts";

/** What one pod has. */
export interface PodAllocation {
  /** What the node gave it; its spec may ask for something else by now. */
  readonly allocated: Allocation;
  /** What its containers run with. */
  readonly actuated: Allocation;
}

/** By the pod's uid. */
export type AllocationState = Readonly<Record<string, PodAllocation>>;

/** Remembers over restarts what each pod has: its spec only tells what it shall have. */
export class Allocations {
  readonly #file: StateFile<AllocationState>;
  readonly #logger: Logger;
  readonly #pods: Map<string, PodAllocation>;

  private constructor(file: StateFile<AllocationState>, logger: Logger, pods: Map<string, PodAllocation>) {
    this.#file = file;
    this.#logger = logger;
    this.#pods = pods;
  }

  static async open(file: StateFile<AllocationState>, logger: Logger): Promise<Allocations> {
    const state = await file.read().catch((error: unknown) => {
      logger.warn({ error: toError(error) }, "what pods were given is not known: their specs count");
      return undefined;
    });
    return new Allocations(file, logger, new Map(Object.entries(state ?? {})));
  }

  get(uid: string): PodAllocation | undefined {
    return this.#pods.get(uid);
  }

  /** Resolves once it is on disk: nothing may be given that would be forgotten. @throws when it cannot be stored. */
  async set(uid: string, allocation: PodAllocation): Promise<void> {
    this.#pods.set(uid, allocation);
    await this.#file.write(Object.fromEntries(this.#pods));
  }

  /** Forgets pods that are gone. */
  retain(isKnown: (uid: string) => boolean): void {
    for (const uid of this.#pods.keys()) if (!isKnown(uid)) this.note(uid, undefined);
  }

  /** Beside all else: should it be lost, it is known from the spec, or not needed. */
  note(uid: string, allocation: PodAllocation | undefined): void {
    if (allocation === undefined && !this.#pods.delete(uid)) return;
    if (allocation !== undefined) this.#pods.set(uid, allocation);
    this.#file.write(Object.fromEntries(this.#pods)).catch((error: unknown) => {
      this.#logger.warn({ uid, error: toError(error) }, "what a pod was given is not stored");
    });
  }
}
