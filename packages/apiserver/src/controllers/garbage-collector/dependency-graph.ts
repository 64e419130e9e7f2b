import { keyOf, type KubeObject, type OwnerReference, type ResourceType } from "@kedge/kube";

/** An object as the garbage collector knows it: who it is and whom it depends on. */
export interface GraphNode {
  readonly uid: string;
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly owners: readonly OwnerReference[];
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}

export const FOREGROUND = "foregroundDeletion";
export const ORPHAN = "orphan";

/** Who belongs to whom, by uid. Pure. */
export class DependencyGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get size(): number {
    return this.#nodes.size;
  }

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  dependentsOf(uid: string): GraphNode[] {
    const nodes: GraphNode[] = [];
    for (const dependent of this.#dependents.get(uid) ?? []) {
      const node = this.#nodes.get(dependent);
      if (node !== undefined) nodes.push(node);
    }
    return nodes;
  }

  /** @returns the uids that must be looked at because of this change. */
  upsert(type: ResourceType, object: KubeObject): string[] {
    const node = nodeOf(type, object);
    if (node.uid === "") return [];
    const before = this.#nodes.get(node.uid);
    for (const { uid } of before?.owners ?? []) this.#unlink(uid, node.uid);
    this.#nodes.set(node.uid, node);
    for (const { uid } of node.owners) {
      const dependents = this.#dependents.get(uid);
      if (dependents === undefined) this.#dependents.set(uid, new Set([node.uid]));
      else dependents.add(node.uid);
    }
    // Those it no longer belongs to may have waited for it; the new ones may be going away.
    const owners = [...(before?.owners ?? []), ...node.owners].map(({ uid }) => uid);
    return [node.uid, ...new Set(owners.filter((uid) => waitsForDependents(this.#nodes.get(uid))))];
  }

  /** @returns the uids that must be looked at because this object is gone. */
  remove(uid: string): string[] {
    const node = this.#nodes.get(uid);
    if (node === undefined) return [];
    this.#nodes.delete(uid);
    for (const owner of node.owners) this.#unlink(owner.uid, uid);
    const waiting = node.owners.map((owner) => owner.uid).filter((owner) => waitsForDependents(this.#nodes.get(owner)));
    return [...(this.#dependents.get(uid) ?? []), ...waiting];
  }

  #unlink(owner: string, dependent: string): void {
    const dependents = this.#dependents.get(owner);
    dependents?.delete(dependent);
    if (dependents?.size === 0) this.#dependents.delete(owner);
  }
}

export function waitsForDependents(node: GraphNode | undefined): boolean {
  return node !== undefined && node.deleting && node.finalizers.includes(FOREGROUND);
}

export function leavesOrphans(node: GraphNode): boolean {
  return node.deleting && node.finalizers.includes(ORPHAN);
}

function nodeOf(type: ResourceType, object: KubeObject): GraphNode {
  const { uid = "", namespace, ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata ?? {};
  const name = object.metadata?.name ?? keyOf(object);
  return { uid, type, namespace, name, owners: ownerReferences, deleting: deletionTimestamp !== undefined, finalizers };
}
