import type { Node, ObjectKey, Pod } from "@kedge/kube";

/** What the streams need to know of the cluster, as the API server has it, with some delay. */
export interface StreamView {
  /** An edge node. */
  node(name: string): Node | undefined;
  /** All edge nodes. */
  nodes(): readonly Node[];
  pod(key: ObjectKey): Pod | undefined;
  /** `(old, undefined)`: gone, or not an edge node any more. */
  onNode(handler: (old: Node | undefined, node: Node | undefined) => void): Disposable;
}
