import type { Node } from "@kedge/kube";
import type { StreamView } from "./stream-view.ts";

/** Which nodes report an address. For KubeEdge's way alone, in which that is all that a request says of its node. */
export class NodesByAddress implements Disposable {
  readonly #nodes = new Map<string, Set<string>>();
  readonly #watching: Disposable;

  constructor(view: Pick<StreamView, "nodes" | "onNode">) {
    for (const node of view.nodes()) this.#add(node);
    this.#watching = view.onNode((old, node) => {
      if (old !== undefined) this.#remove(old);
      if (node !== undefined) this.#add(node);
    });
  }

  at(address: string): readonly string[] {
    return [...(this.#nodes.get(address) ?? [])];
  }

  #add(node: Node): void {
    for (const { address } of node.status?.addresses ?? []) {
      const names = this.#nodes.get(address) ?? new Set();
      this.#nodes.set(address, names.add(node.metadata?.name ?? ""));
    }
  }

  #remove(node: Node): void {
    for (const { address } of node.status?.addresses ?? []) {
      const names = this.#nodes.get(address);
      names?.delete(node.metadata?.name ?? "");
      if (names?.size === 0) this.#nodes.delete(address);
    }
  }

  [Symbol.dispose](): void {
    this.#watching[Symbol.dispose]();
  }
}
