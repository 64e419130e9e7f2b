import { keyOf, type Node, type Pod } from "@kedge/kube";
import type { Informer } from "@kedge/kube-client";
import { BY_NODE } from "../shared-informers.ts";
import { type NodeView, viewNode, withPod } from "./node-view.ts";

interface Assumed {
  readonly pod: Pod;
  readonly nodeName: string;
}

/** All nodes as the next decision must see them: what the caches show, and what was decided but is not shown yet. */
export class NodeViews {
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  /** Added up once and kept until something on the node changes. */
  readonly #views = new Map<string, NodeView>();
  readonly #assumed = new Map<string, Assumed>();

  constructor(nodes: Informer<Node>, pods: Informer<Pod>) {
    this.#nodes = nodes;
    this.#pods = pods;
  }

  list(): NodeView[] {
    const onNode = Map.groupBy(this.#assumed.values(), ({ nodeName }) => nodeName);
    const views: NodeView[] = [];
    for (const node of this.#nodes.list()) {
      if (node.metadata?.deletionTimestamp !== undefined) continue;
      const name = node.metadata?.name ?? "";
      let view = this.#views.get(name);
      if (view === undefined) {
        view = viewNode(node, this.#pods.byIndex(BY_NODE, name));
        this.#views.set(name, view);
      }
      views.push((onNode.get(name) ?? []).reduce((sum, { pod }) => withPod(sum, pod), view));
    }
    return views;
  }

  /** Whether this very pod was placed already. */
  hasAssumed(pod: Pod): boolean {
    return this.#assumed.get(keyOf(pod))?.pod.metadata?.uid === pod.metadata?.uid;
  }

  assume(pod: Pod, nodeName: string): void {
    this.#assumed.set(keyOf(pod), { pod, nodeName });
  }

  withdraw(pod: Pod): void {
    this.#assumed.delete(keyOf(pod));
  }

  nodeChanged(name: string): void {
    this.#views.delete(name);
  }

  podChanged(old: Pod | undefined, pod: Pod | undefined): void {
    for (const name of [old?.spec?.nodeName, pod?.spec?.nodeName]) if (name !== undefined) this.#views.delete(name);
    const key = keyOf(pod ?? old ?? {});
    const assumed = this.#assumed.get(key);
    if (assumed === undefined) return;
    // Seen as bound, gone, or another took the name: the cache speaks for itself again.
    if (pod?.spec?.nodeName !== undefined || pod?.metadata?.uid !== assumed.pod.metadata?.uid)
      this.#assumed.delete(key);
  }
}
