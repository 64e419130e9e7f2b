import type { KubeObject, ObjectKey, OwnerReference, ResourceType } from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import { Component, hasCode } from "@kedge/runtime";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import {
  DependencyGraph,
  FOREGROUND,
  type GraphNode,
  leavesOrphans,
  ORPHAN,
  waitsForDependents,
} from "./dependency-graph.ts";
import { type OwnerState, planCollection } from "./plan-collection.ts";
import { ResourceMonitors } from "./resource-monitors.ts";

const WORKERS = 4;
const INCOMPLETE_RETRY_MS = 500;
/** An owner of a kind that is not served is asked for again this often: its definition may come. */
const UNKNOWN_KIND_RETRY_MS = 60_000;

/** Deletes what belonged to objects that are gone, in the background, the foreground, or not (`orphan`). */
export function startGarbageCollector(context: ControllerContext): AsyncDisposable {
  return new GarbageCollector(context);
}

class GarbageCollector extends Component {
  readonly #context: ControllerContext;
  readonly #graph = new DependencyGraph();
  readonly #loop: ControllerLoop;
  readonly #monitors: ResourceMonitors;

  constructor(context: ControllerContext) {
    super();
    this.#context = context;
    this.#loop = new ControllerLoop(
      "garbage-collector",
      context,
      [],
      (uid, signal) => this.#reconcile(uid, signal),
      WORKERS,
    );
    this.#monitors = new ResourceMonitors(context, {
      upsert: (type, object) => this.#look(this.#graph.upsert(type, object)),
      remove: (object) => this.#look(this.#graph.remove(object.metadata?.uid ?? "")),
    });
  }

  #look(uids: readonly string[]): void {
    for (const uid of uids) {
      const node = this.#graph.get(uid);
      if (node !== undefined && (node.owners.length > 0 || (node.deleting && node.finalizers.length > 0)))
        this.#loop.queue.add(uid);
    }
  }

  async #reconcile(uid: string, signal: AbortSignal): Promise<ReconcileResult> {
    const node = this.#graph.get(uid);
    if (node === undefined) return {};
    if (leavesOrphans(node)) return this.#orphanDependents(node, signal);
    if (waitsForDependents(node)) return this.#releaseWhenAlone(node);
    if (node.owners.length === 0 || node.deleting) return {};
    return this.#collect(node, signal);
  }

  async #collect(node: GraphNode, signal: AbortSignal): Promise<ReconcileResult> {
    const states: { owner: OwnerReference; state: OwnerState }[] = [];
    for (const owner of node.owners) {
      const state = await this.#stateOf(owner, node, signal);
      if (state === undefined)
        return { requeueAfterMs: this.#monitors.complete ? UNKNOWN_KIND_RETRY_MS : INCOMPLETE_RETRY_MS };
      states.push({ owner, state });
    }
    const plan = planCollection(node, states, this.#graph.dependentsOf(node.uid).length > 0);
    if (plan.action === "dropOwners") await this.#dropOwners(node, plan.uids, signal);
    else if (plan.action === "delete") {
      const options = { propagationPolicy: plan.propagationPolicy, preconditions: { uid: node.uid } };
      try {
        await this.#context.kube.delete(node.type, keyOfNode(node), signal, options);
      } catch (error) {
        // Gone, or somebody else has the name now.
        if (!hasCode(error, "NotFound") && !hasCode(error, "Conflict")) throw error;
      }
    }
    return {};
  }

  /** Absence is believed of the server alone, never of our graph. @returns undefined when it cannot be known. */
  async #stateOf(owner: OwnerReference, dependent: GraphNode, signal: AbortSignal): Promise<OwnerState | undefined> {
    const known = this.#graph.get(owner.uid);
    if (known !== undefined) {
      // An owner in another namespace is none: uids of other namespaces may be guessed or copied.
      if (known.namespace !== undefined && known.namespace !== dependent.namespace) return "absent";
      return waitsForDependents(known) && owner.blockOwnerDeletion === true ? "waiting" : "present";
    }
    const type = this.#monitors.typeOf(owner);
    if (type === undefined) return undefined;
    if (type.namespaced && dependent.namespace === undefined) return "present"; // cannot be asked for: never collect
    const key = { name: owner.name, ...(type.namespaced ? { namespace: dependent.namespace } : {}) };
    const found = await this.#find(type, key, signal);
    return found?.metadata?.uid === owner.uid ? "present" : "absent";
  }

  async #orphanDependents(node: GraphNode, signal: AbortSignal): Promise<ReconcileResult> {
    if (!this.#monitors.complete) return { requeueAfterMs: INCOMPLETE_RETRY_MS };
    for (const dependent of this.#graph.dependentsOf(node.uid)) await this.#dropOwners(dependent, [node.uid], signal);
    await this.#dropFinalizer(node, ORPHAN, signal);
    return {};
  }

  async #releaseWhenAlone(node: GraphNode): Promise<ReconcileResult> {
    if (!this.#monitors.complete) return { requeueAfterMs: INCOMPLETE_RETRY_MS };
    const blocking = this.#graph
      .dependentsOf(node.uid)
      .filter(({ owners }) =>
        owners.some(({ uid, blockOwnerDeletion }) => uid === node.uid && blockOwnerDeletion === true),
      );
    if (blocking.length > 0) {
      for (const { uid } of blocking) this.#loop.queue.add(uid);
      return {}; // the last of them to go wakes us
    }
    await this.#dropFinalizer(node, FOREGROUND, this.signal);
    return {};
  }

  async #dropOwners(node: GraphNode, uids: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#patchMetadata(node, signal, (object) => {
      const owners = object.metadata?.ownerReferences ?? [];
      const left = owners.filter(({ uid }) => !uids.includes(uid));
      return left.length === owners.length ? undefined : { ownerReferences: left };
    });
  }

  async #dropFinalizer(node: GraphNode, finalizer: string, signal: AbortSignal): Promise<void> {
    await this.#patchMetadata(node, signal, (object) => {
      const finalizers = object.metadata?.finalizers ?? [];
      return finalizers.includes(finalizer)
        ? { finalizers: finalizers.filter((each) => each !== finalizer) }
        : undefined;
    });
  }

  /** Changes the object as it is on the server now, and only if it is still that one. A `Conflict` is tried again. */
  async #patchMetadata(
    node: GraphNode,
    signal: AbortSignal,
    change: (object: KubeObject) => object | undefined,
  ): Promise<void> {
    const fresh = await this.#find(node.type, keyOfNode(node), signal);
    if (fresh === undefined || fresh.metadata?.uid !== node.uid) return;
    const changed = change(fresh);
    if (changed === undefined) return;
    const { resourceVersion } = fresh.metadata;
    const body = { metadata: { ...changed, uid: node.uid, resourceVersion } };
    try {
      await this.#context.kube.patch(node.type, keyOfNode(node), { type: "merge", body }, signal);
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error;
    }
  }

  async #find(type: ResourceType, key: ObjectKey, signal: AbortSignal): Promise<KubeObject | undefined> {
    try {
      return await this.#context.kube.get(type, key, signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }

  protected override async stop(): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
    await this.#monitors[Symbol.asyncDispose]();
  }
}

function keyOfNode({ namespace, name }: GraphNode): ObjectKey {
  return namespace === undefined ? { name } : { namespace, name };
}
