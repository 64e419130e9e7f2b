import type { RuntimeService } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import type { Clock } from "@kedge/runtime";
import { readRuntimePod } from "../runtime/read-runtime-pod.ts";
import { emptyRuntimePod, type RuntimeContainer, type RuntimePod } from "../runtime/runtime-pod.ts";
import { MESSAGE_BYTES_MAX, POD_MESSAGES_BYTES_MAX, terminationMessage } from "../runtime/termination-message.ts";

/** A runtime tells of an end some ms before its answers show it. */
const LAG_WAIT_MIN_MS = 5;
const LAG_TRIES_MAX = 8;
/** Why a container ended (OOMKilled) may come after that it did. */
const EXIT_SETTLED_MS = 2_000;

/** What the runtime has of one pod, as last read, with the last words of its containers. */
export class PodView {
  readonly #runtime: RuntimeService;
  readonly #clock: Clock;
  /** What cannot change any more. */
  readonly #exited = new Map<string, RuntimeContainer>();
  readonly #messages = new Map<string, string>();
  readonly #endsTold = new Set<string>();
  #pod: RuntimePod;

  constructor({ metadata = {} }: Pod, runtime: RuntimeService, clock: Clock) {
    const { uid = "", namespace = "", name = "" } = metadata;
    this.#runtime = runtime;
    this.#clock = clock;
    this.#pod = emptyRuntimePod(uid, namespace, name);
  }

  get pod(): RuntimePod {
    return this.#pod;
  }

  /** Last words by container id. */
  get messages(): ReadonlyMap<string, string> {
    return this.#messages;
  }

  knows(id: string): boolean {
    const { containers, sandboxes } = this.#pod;
    return containers.some((one) => one.id === id) || sandboxes.some((one) => one.id === id);
  }

  /** The runtime told of an end: the next {@link read} shall show it. */
  noticeEnd(id: string): void {
    this.#endsTold.add(id);
  }

  /** @param containers how many the pod has: they share what may be said. */
  async read(containers: number, signal: AbortSignal): Promise<void> {
    const { uid, namespace, name } = this.#pod;
    const exited = {
      get: (id: string) => this.#exited.get(id),
      set: (id: string, container: RuntimeContainer) => {
        if (this.#clock.now() - container.finishedAtMs > EXIT_SETTLED_MS) this.#exited.set(id, container);
      },
    };
    const told = [...this.#endsTold];
    let waitMs = LAG_WAIT_MIN_MS;
    for (let tries = 0; ; tries += 1) {
      this.#pod = await readRuntimePod(this.#runtime, { uid, namespace, name }, exited, signal);
      if (tries === LAG_TRIES_MAX || !told.some((id) => this.#isAlive(id))) break;
      await this.#clock.sleep(waitMs, signal);
      waitMs *= 2;
    }
    for (const id of told) this.#endsTold.delete(id);
    await this.#readMessages(containers);
  }

  #isAlive(id: string): boolean {
    const { containers, sandboxes } = this.#pod;
    return (
      containers.some((one) => one.id === id && one.state === "running") ||
      sandboxes.some((one) => one.id === id && one.ready)
    );
  }

  async #readMessages(containers: number): Promise<void> {
    const ids = new Set(this.#pod.containers.map(({ id }) => id));
    for (const map of [this.#messages, this.#exited]) for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
    const ended = this.#pod.containers.filter(({ state, id }) => state === "exited" && !this.#messages.has(id));
    const bytesMax = Math.min(MESSAGE_BYTES_MAX, Math.floor(POD_MESSAGES_BYTES_MAX / Math.max(1, containers)));
    for (const container of ended) {
      const message = Buffer.from(await terminationMessage(container));
      this.#messages.set(container.id, message.subarray(0, bytesMax).toString());
    }
  }
}
