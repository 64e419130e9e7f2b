import { PODS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { MARK, nowMs } from "./simulated-edges-orders.ts";
import type { SimulatedEdges } from "./simulated-edges.ts";
import { simulatedPod } from "./simulated-objects.ts";

const NAMESPACE = "default";
const CREATES_AT_ONCE = 16;
const ROUND_MS = 60_000;

/** Changes the pods of all simulated edges, a pod a node, and hears when they have arrived. */
export class PodUpdates {
  readonly #kube: KubeClient;
  #pods: readonly string[] = [];
  #round = 0;
  readonly #sentAt = new Map<string, number>();
  #latencies: number[] = [];
  #arrived = Promise.withResolvers<void>();

  constructor(kube: KubeClient, edges: SimulatedEdges) {
    this.#kube = kube;
    edges.onPods = (seen) => {
      for (const { pod, mark, atMs } of seen) this.#seen(pod, mark, atMs);
    };
  }

  /** Resolves when every node has got its pod. */
  async createPods(nodes: readonly string[]): Promise<void> {
    this.#pods = nodes.map(podOf);
    await this.#oneRound(CREATES_AT_ONCE, async (name, mark, signal) => {
      const pod = simulatedPod(name, NAMESPACE, nodes[this.#pods.indexOf(name)] ?? "");
      const metadata = { ...pod.metadata, annotations: { [MARK]: mark } };
      await this.#kube.create(PODS, { ...pod, metadata }, signal);
    });
  }

  /**
   * Changes every pod once in each round; the next round begins when all have arrived.
   *
   * @returns milliseconds from each request to its pod's arrival at the edge. @throws if one does not arrive.
   */
  async rounds(count: number, { atOnce }: { atOnce: number }): Promise<number[]> {
    const latencies: number[] = [];
    for (let round = 0; round < count; round += 1)
      latencies.push(
        ...(await this.#oneRound(atOnce, async (name, mark, signal) => {
          const body = { metadata: { annotations: { [MARK]: mark } } };
          await this.#kube.patch(PODS, { namespace: NAMESPACE, name }, { type: "merge", body }, signal);
        })),
      );
    return latencies;
  }

  async #oneRound(
    atOnce: number,
    change: (pod: string, mark: string, signal: AbortSignal) => Promise<void>,
  ): Promise<number[]> {
    const signal = AbortSignal.timeout(ROUND_MS);
    this.#round += 1;
    const mark = String(this.#round);
    this.#latencies = [];
    this.#arrived = Promise.withResolvers<void>();
    const late = () => this.#arrived.reject(new Error(`${this.#sentAt.size} pods did not arrive at their nodes`));
    signal.addEventListener("abort", late, { once: true });
    const pods = this.#pods[Symbol.iterator]();
    const changeSome = async () => {
      for (const pod of pods) {
        this.#sentAt.set(pod, nowMs());
        await change(pod, mark, signal);
      }
    };
    await Promise.all([this.#arrived.promise, ...Array.from({ length: atOnce }, changeSome)]);
    signal.removeEventListener("abort", late);
    return this.#latencies;
  }

  #seen(pod: string, mark: string, atMs: number): void {
    const sentAt = this.#sentAt.get(pod);
    if (sentAt === undefined || mark !== String(this.#round)) return; // said again
    this.#sentAt.delete(pod);
    this.#latencies.push(atMs - sentAt);
    if (this.#latencies.length === this.#pods.length) this.#arrived.resolve();
  }
}

function podOf(node: string): string {
  return `application-${node}`;
}
