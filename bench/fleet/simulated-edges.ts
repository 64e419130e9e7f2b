import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { EdgesCount, EdgesPlan, Note, Order, PodSeen } from "./simulated-edges-orders.ts";

/** Many edges in processes of their own, which run nothing but speak to cloudcore as edges do. */
export class SimulatedEdges implements AsyncDisposable {
  readonly #processes: readonly EdgesProcess[];

  constructor(processes = 1) {
    this.#processes = Array.from({ length: processes }, () => new EdgesProcess());
  }

  /** One at a time hears of pods. */
  set onPods(handler: (seen: readonly PodSeen[]) => void) {
    for (const each of this.#processes) each.onPods = handler;
  }

  get pids(): readonly number[] {
    return this.#processes.map(({ pid }) => pid);
  }

  /** Gets certificates, connects and, if planned, registers; resolves when all have. */
  connect(plan: EdgesPlan, nodes: readonly string[]): Promise<EdgesCount> {
    const { length } = this.#processes;
    return this.#order((at) => ({ order: "connect", plan, nodes: nodes.filter((_, index) => index % length === at) }));
  }

  /** Cuts all links at once; resolves when all are back. */
  storm(): Promise<EdgesCount> {
    return this.#order(() => ({ order: "storm" }));
  }

  count(): Promise<EdgesCount> {
    return this.#order(() => ({ order: "count" }));
  }

  async #order(orderFor: (process: number) => Order): Promise<EdgesCount> {
    const counts = await Promise.all(this.#processes.map((each, index) => each.order(orderFor(index))));
    return {
      connected: counts.reduce((sum, { connected }) => sum + connected, 0),
      lost: counts.reduce((sum, { lost }) => sum + lost, 0),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((each) => each[Symbol.asyncDispose]()));
  }
}

class EdgesProcess implements AsyncDisposable {
  onPods: (seen: readonly PodSeen[]) => void = () => undefined;
  readonly #child: ChildProcess;
  #answer: PromiseWithResolvers<EdgesCount> | undefined;

  constructor() {
    this.#child = fork(join(import.meta.dirname, "simulated-edges-main.ts"), { stdio: "inherit" });
    this.#child.on("message", (note: Note) => this.#hear(note));
    this.#child.once("exit", (code) => this.#answer?.reject(new Error(`the simulated edges ended: ${code}`)));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #hear(note: Note): void {
    if (note.note === "pods") this.onPods(note.seen);
    else if (note.note === "done") this.#answer?.resolve(note);
    else this.#answer?.reject(new Error(note.reason));
  }

  order(order: Order): Promise<EdgesCount> {
    this.#answer = Promise.withResolvers<EdgesCount>();
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
