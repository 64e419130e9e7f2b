import {
  CONFIG_MAPS,
  type ConfigMap,
  keyOf,
  type Node,
  NODES,
  type ObjectKey,
  type Pod,
  PODS,
  type Secret,
  SECRETS,
} from "@kedge/kube";
import { Informer, type KubeClient } from "@kedge/kube-client";
import { abortable, type Clock, Component, type Logger } from "@kedge/runtime";
import { type PodReferences, referencesOf } from "./pod-references.ts";
import { ReferencedObjects } from "./referenced-objects.ts";

const EDGE_LABEL = "node-role.kubernetes.io/edge";

interface ClusterViewDeps {
  readonly kube: KubeClient;
  readonly logger: Logger;
  readonly clock: Clock;
}

type Handler<T> = (old: T | undefined, object: T | undefined) => void;

/** What of the cluster concerns edge nodes, kept up to date: the nodes, their pods, and what those need. */
export class ClusterView extends Component {
  #configMaps: ReferencedObjects<ConfigMap> | undefined;
  #secrets: ReferencedObjects<Secret> | undefined;
  readonly #deps: ClusterViewDeps;
  readonly #nodes: Informer<Node>;
  readonly #podHandlers = new Set<Handler<Pod>>();
  #pods: Informer<Pod> | undefined;

  private constructor(deps: ClusterViewDeps) {
    super();
    this.#deps = deps;
    const { kube, ...options } = deps;
    this.#nodes = new Informer<Node>(kube, NODES, { ...options, transform: keepEdgeNode });
  }

  /** @throws the signal's reason if it aborts before everything is read. */
  static async start(deps: ClusterViewDeps, signal: AbortSignal): Promise<ClusterView> {
    await using scope = new AsyncDisposableStack();
    const view = scope.use(new ClusterView(deps));
    // One after the other: which pods are kept depends on the nodes, and what else is kept depends on the pods.
    await abortable(view.#nodes.synced, signal);
    view.#pods = view.#startPods();
    await abortable(view.#pods.synced, signal);
    const { kube, ...options } = deps;
    view.#configMaps = new ReferencedObjects(kube, CONFIG_MAPS, (key) => view.#isReferenced("configMap", key), options);
    view.#secrets = new ReferencedObjects(kube, SECRETS, (key) => view.#isReferenced("secret", key), options);
    await abortable(Promise.all([view.#configMaps.synced, view.#secrets.synced]), signal);
    view.#nodes.onChange((old, node) => {
      // Its pods were not kept so far. A node that comes with the label has them kept from the start.
      if (old !== undefined && node !== undefined && !isEdgeNode(old) && isEdgeNode(node)) view.#restartPods();
    });
    scope.move();
    return view;
  }

  get configMaps(): ReferencedObjects<ConfigMap> {
    return started(this.#configMaps);
  }

  get secrets(): ReferencedObjects<Secret> {
    return started(this.#secrets);
  }

  /** An edge node; others are as good as absent. */
  node(name: string): Node | undefined {
    const node = this.#nodes.get(name);
    return node !== undefined && isEdgeNode(node) ? node : undefined;
  }

  /** All edge nodes. */
  nodes(): readonly Node[] {
    return this.#nodes.list().filter(isEdgeNode);
  }

  /** Whether there is a node of that name at all. */
  hasNode(name: string): boolean {
    return this.#nodes.get(name) !== undefined;
  }

  pod(key: string | ObjectKey): Pod | undefined {
    return this.#pods?.get(key);
  }

  podsOf(node: string): Pod[] {
    return this.#pods?.byIndex("node", node) ?? [];
  }

  /** Nodes with a pod that needs this ConfigMap or Secret. */
  nodesThatNeed(kind: "configMap" | "secret", key: string): Set<string> {
    const pods = this.#pods?.byIndex(kind, key) ?? [];
    return new Set(pods.map(({ spec }) => spec?.nodeName ?? ""));
  }

  needs(node: string, kind: "configMap" | "secret" | "claim", key: string): boolean {
    return (this.#pods?.byIndex(kind, key) ?? []).some(({ spec }) => spec?.nodeName === node);
  }

  /** `(old, undefined)`: gone, or not an edge node any more. */
  onNode(handler: Handler<Node>): Disposable {
    const edge = (node: Node | undefined) => (node !== undefined && isEdgeNode(node) ? node : undefined);
    return this.#nodes.onChange((old, node) => {
      if (edge(old) !== undefined || edge(node) !== undefined) handler(edge(old), edge(node));
    });
  }

  onPod(handler: Handler<Pod>): Disposable {
    this.#podHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#podHandlers.delete(handler) };
  }

  #isReferenced(kind: "configMap" | "secret", key: string): boolean {
    return (this.#pods?.byIndex(kind, key) ?? []).length > 0;
  }

  #startPods(): Informer<Pod> {
    const { kube, ...options } = this.#deps;
    const pods = new Informer<Pod>(kube, PODS, {
      ...options,
      fieldSelector: "spec.nodeName!=",
      transform: (pod) => this.#keepEdgePod(pod),
      indexes: {
        node: ({ spec }) => (spec?.nodeName === undefined ? [] : [spec.nodeName]),
        configMap: (pod) => keysIn(pod, referencesOfKept(pod).configMaps),
        secret: (pod) => keysIn(pod, referencesOfKept(pod).secrets),
        claim: (pod) => keysIn(pod, referencesOfKept(pod).claims),
      },
    });
    pods.onChange((old, pod) => {
      for (const handler of this.#podHandlers) handler(old, pod);
    });
    return pods;
  }

  #restartPods(): void {
    const old = this.#pods;
    this.#deps.logger.info("a node has become an edge node: reading all pods again");
    this.#pods = this.#startPods();
    void old?.[Symbol.asyncDispose]();
  }

  /** Of pods on nodes that are known to be no edge nodes, only the name is kept. */
  #keepEdgePod(pod: Pod): Pod {
    const node = this.#nodes.get(pod.spec?.nodeName ?? "");
    if (node !== undefined && !isEdgeNode(node)) {
      const { name, namespace, uid, resourceVersion } = pod.metadata ?? {};
      return { metadata: { name, namespace, uid, resourceVersion } } as Pod;
    }
    if (pod.metadata?.managedFields !== undefined) delete pod.metadata.managedFields;
    pod.kind ??= "Pod";
    pod.apiVersion ??= "v1";
    return pod;
  }

  protected override async stop(): Promise<void> {
    for (const part of [this.#nodes, this.#pods, this.#configMaps, this.#secrets]) await part?.[Symbol.asyncDispose]();
  }
}

/** Nobody gets hold of a view before it has started. */
function started<T>(part: T | undefined): T {
  if (part === undefined) throw new TypeError("the view of the cluster has not started");
  return part;
}

/** KubeEdge's rule: the label with an empty value. */
export function isEdgeNode({ metadata }: Node): boolean {
  return metadata?.labels?.[EDGE_LABEL] === "";
}

function keepEdgeNode(node: Node): Node {
  if (!isEdgeNode(node)) {
    const { name, uid, resourceVersion } = node.metadata ?? {};
    return { metadata: { name, uid, resourceVersion } } as Node;
  }
  if (node.metadata?.managedFields !== undefined) delete node.metadata.managedFields;
  node.kind ??= "Node";
  node.apiVersion ??= "v1";
  return node;
}

const references = new WeakMap<Pod, PodReferences>();

/** Three indexes ask for each pod, when it comes and when it goes. */
export function referencesOfKept(pod: Pod): PodReferences {
  let found = references.get(pod);
  if (found === undefined) {
    found = referencesOf(pod);
    references.set(pod, found);
  }
  return found;
}

function keysIn(pod: Pod, names: ReadonlySet<string>): string[] {
  return [...names].map((name) =>
    keyOf({ metadata: { namespace: pod.metadata?.namespace, name } as { name: string } }),
  );
}
