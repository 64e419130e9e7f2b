import { ContainerState, type RuntimeService } from "@kedge/cri";

/** A hundred readers of one log ask the runtime once. */
const FRESH_MS = 900;
/** Containers whose answer is kept; one node has a few hundred. */
const KEPT_MAX = 1_000;

/** Whether containers run, as the runtime said a moment ago. */
export class RunningContainers {
  readonly #runtime: RuntimeService;
  readonly #asked = new Map<string, { readonly atMs: number; readonly answer: Promise<boolean> }>();

  constructor(runtime: RuntimeService) {
    this.#runtime = runtime;
  }

  has(id: string, signal: AbortSignal): Promise<boolean> {
    const known = this.#asked.get(id);
    const nowMs = performance.now();
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return known.answer;
    const answer = this.#ask(id, signal);
    this.#asked.delete(id);
    this.#asked.set(id, { atMs: nowMs, answer });
    answer.catch(() => this.#asked.delete(id));
    for (const oldest of this.#asked.keys()) {
      if (this.#asked.size <= KEPT_MAX) break;
      this.#asked.delete(oldest);
    }
    return answer;
  }

  /** Not by the reader's signal: others wait for the same answer. */
  async #ask(id: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const status = await this.#runtime.containerStatus(id, AbortSignal.timeout(ASK_MS_MAX));
    return status?.state === ContainerState.CONTAINER_RUNNING || status?.state === ContainerState.CONTAINER_CREATED;
  }
}

/** While the runtime is away, a follower waits: it ends with an error after this. */
const ASK_MS_MAX = 120_000;
