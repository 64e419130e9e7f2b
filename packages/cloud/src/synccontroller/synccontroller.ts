import { DEVICE_MODELS, DEVICES } from "@kedge/api";
import {
  apiVersionOf,
  CONFIG_MAPS,
  type KubeObject,
  NODES,
  type Pod,
  PODS,
  type ResourceType,
  SECRETS,
} from "@kedge/kube";
import { discoverResources, type KubeClient, runController, WorkQueue } from "@kedge/kube-client";
import { type Message, objectPush, orphanDelete } from "@kedge/protocol";
import { type Clock, Component, hasCode, type Logger, type MessageBus } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import type { SyncRecord } from "../cloudhub/sync-record.ts";
import type { SyncRecords } from "../cloudhub/sync-records.ts";
import type { ClusterView } from "../edgecontroller/cluster-view.ts";
import { planObjectSync } from "./plan-object-sync.ts";

export interface SyncControllerDeps {
  readonly kube: KubeClient;
  readonly bus: MessageBus<CloudMessages, CloudNotices>;
  readonly records: SyncRecords;
  readonly view: ClusterView;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Nodes compared at once; the work is in memory but for kinds that we do not watch. */
const NODE_WORKERS = 4;
/** A connected node is compared when it connects, and from then on that often: for what was missed without anybody noticing. */
const COMPARE_MS = 5 * 60_000;
/** After a comparison found something, the next one comes sooner. */
const COMPARE_AGAIN_MS = 30_000;

/**
 * Compares what connected nodes have acknowledged with what there is, and says again what they missed. Nodes that are not
 * connected here are somebody else's, or nobody's (W28).
 */
export class SyncController extends Component {
  readonly #deps: SyncControllerDeps;
  readonly #connected = new Set<string>();
  readonly #nodes: WorkQueue<string>;
  readonly #scope = new DisposableStack();
  readonly #types = new Map<string, ResourceType | undefined>();
  readonly #running: Promise<void>;

  constructor(deps: SyncControllerDeps) {
    super();
    this.#deps = deps;
    this.#nodes = this.#scope.use(new WorkQueue<string>({ clock: deps.clock }));
    for (const type of [PODS, NODES, CONFIG_MAPS, SECRETS, DEVICES, DEVICE_MODELS])
      this.#types.set(typeKey(apiVersionOf(type), type.kind), type);
    this.#scope.use(deps.bus.listen("hub/session", ({ node, connected }) => this.#sessionChanged(node, connected)));
    this.#scope.use(
      deps.view.onNode((old, node) => {
        if (node === undefined && old?.metadata?.name !== undefined) this.#nodes.add(old.metadata.name);
      }),
    );
    for (const node of deps.records.nodes()) if (!deps.view.hasNode(node)) this.#nodes.add(node);
    this.#running = runController(this.#nodes, (node) => this.#compare(node), deps.logger, this.signal, NODE_WORKERS);
  }

  #sessionChanged(node: string, connected: boolean): void {
    if (connected) {
      this.#connected.add(node);
      this.#nodes.add(node);
    } else {
      this.#connected.delete(node);
      if (!this.#deps.view.hasNode(node)) this.#nodes.add(node); // its records are of no use any more
    }
  }

  async #compare(node: string): Promise<{ requeueAfterMs?: number }> {
    const { records, view, logger } = this.#deps;
    if (!this.#connected.has(node)) {
      if (!view.hasNode(node)) this.#forgetNode(node);
      return {};
    }
    let repaired = 0;
    for (const record of records.recordsOf(node)) {
      const object = await this.#find(record);
      if (object === "unknown") continue;
      const plan = planObjectSync(object, record);
      if (plan === "none" || !this.#connected.has(node)) continue;
      if (plan === "delete" && !(await this.#isGone(record))) continue;
      repaired += 1;
      if (plan === "delete") await this.#send(orphanDelete(node, record.kind.toLowerCase(), record, record.uid));
      else if (object !== undefined)
        await this.#send(objectPush({ node, source: sourceOf(record), operation: "update", object }));
    }
    if (repaired > 0) logger.debug({ node, repaired }, "said again what the node had missed");
    return { requeueAfterMs: repaired > 0 ? COMPARE_AGAIN_MS : COMPARE_MS };
  }

  /** Records of a node that is gone serve nobody. */
  #forgetNode(node: string): void {
    for (const record of this.#deps.records.recordsOf(node)) this.#deps.records.forget(node, record);
  }

  async #send(message: Message): Promise<void> {
    await this.#deps.bus.request("hub/send", message, this.signal);
  }

  /** @returns `unknown` if nobody can tell what became of the object. */
  async #find(record: SyncRecord): Promise<KubeObject | "unknown" | undefined> {
    const { view } = this.#deps;
    const { apiVersion, kind, namespace, name } = record;
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    if (apiVersion === "v1" && kind === "Pod") {
      const pod = view.pod(key);
      // One that is on another node now is none of this node's.
      return pod?.spec?.nodeName === record.node ? pod : undefined;
    }
    if (apiVersion === "v1" && kind === "Node") return view.node(name);
    if (apiVersion === "v1" && kind === "ConfigMap") return view.configMaps.get(key, false, this.signal);
    if (apiVersion === "v1" && kind === "Secret") return view.secrets.get(key, false, this.signal);
    return this.#read(record);
  }

  /**
   * Whether the API server itself says so. Our copy may be behind the one of the instance that served the node before, and
   * to delete a pod that lives is the worst that we could do.
   */
  async #isGone(record: SyncRecord): Promise<boolean> {
    const object = await this.#read(record);
    if (object === "unknown") return false;
    if (object?.metadata?.uid !== record.uid) return true;
    return record.kind === "Pod" && (object as Pod).spec?.nodeName !== record.node;
  }

  async #read({ apiVersion, kind, namespace, name }: SyncRecord): Promise<KubeObject | "unknown" | undefined> {
    const type = await this.#typeOf(apiVersion, kind);
    if (type === undefined) return "unknown";
    try {
      return await this.#deps.kube.get(type, { ...(type.namespaced && { namespace }), name }, this.signal);
    } catch (error) {
      if (hasCode(error, "NotFound")) return undefined;
      throw error;
    }
  }

  /** KubeEdge guesses plurals from kinds (W30); the API server knows them. */
  async #typeOf(apiVersion: string, kind: string): Promise<ResourceType | undefined> {
    const key = typeKey(apiVersion, kind);
    if (this.#types.has(key)) return this.#types.get(key);
    const discovery = await discoverResources(this.#deps.kube, this.signal);
    for (const { type } of discovery.resources) this.#types.set(typeKey(apiVersionOf(type), type.kind), type);
    const found = this.#types.get(key);
    if (found === undefined)
      this.#deps.logger.warn({ apiVersion, kind }, "a sync record names a kind that the API server does not know");
    this.#types.set(key, found);
    return found;
  }

  protected override async stop(): Promise<void> {
    await this.#running;
    this.#scope.dispose();
  }
}

/** Devices are DeviceController's, and the edge hands them to DeviceTwin only if it says so (W31). */
function sourceOf({ apiVersion }: SyncRecord): "edgecontroller" | "devicecontroller" {
  return apiVersion.startsWith("devices.kubeedge.io/") ? "devicecontroller" : "edgecontroller";
}

function typeKey(apiVersion: string, kind: string): string {
  return `${apiVersion}/${kind}`;
}
