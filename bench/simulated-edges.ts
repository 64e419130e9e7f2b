import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { SimulatedCloud } from "./simulated-edge.ts";
import type { Note, Order, PodSeen } from "./simulated-edges-orders.ts";

/** Many edges in one process of their own, which run nothing but speak to cloudcore as edges do. */
export class SimulatedEdges implements AsyncDisposable {
  readonly #child: ChildProcess;
  #onPods: (seen: readonly PodSeen[]) => void = () => undefined;
  #answer: PromiseWithResolvers<void> | undefined;

  constructor() {
    this.#child = fork(join(import.meta.dirname, "simulated-edges-main.ts"), { stdio: "inherit" });
    this.#child.on("message", (note: Note) => this.#hear(note));
    this.#child.once("exit", (code) => this.#answer?.reject(new Error(`the simulated edges ended: ${code}`)));
  }

  #hear(note: Note): void {
    if (note.note === "pods") this.#onPods(note.seen);
    else if (note.note === "done") this.#answer?.resolve();
    else this.#answer?.reject(new Error(note.reason));
  }

  /** One at a time hears of pods. */
  set onPods(handler: (seen: readonly PodSeen[]) => void) {
    this.#onPods = handler;
  }

  /** Joins with the token, connects, registers and begins to renew leases; resolves when all have. */
  join(cloud: SimulatedCloud, nodes: readonly string[]): Promise<void> {
    return this.#order({ order: "join", cloud, nodes });
  }

  /** Cuts all links at once; resolves when all are back. */
  storm(): Promise<void> {
    return this.#order({ order: "storm" });
  }

  #order(order: Order): Promise<void> {
    this.#answer = Promise.withResolvers<void>();
    this.#child.send(order);
    return this.#answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
