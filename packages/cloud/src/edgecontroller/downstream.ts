import { type KubeObject, keyOf, type Node, type Pod } from "@kedge/kube";
import { runController, WorkQueue } from "@kedge/kube-client";
import { type Message, objectPush } from "@kedge/protocol";
import { type Clock, Component, type Logger, type MessageBus, toError } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import { asReported } from "../cloudstream/node-endpoint.ts";
import { type ClusterView, referencesOfKept } from "./cluster-view.ts";

/** Pods worked on at once; one waits only if something that it needs must be read from the API server. */
const POD_WORKERS = 8;

interface DownstreamDeps {
  readonly bus: MessageBus<CloudMessages, CloudNotices>;
  readonly view: ClusterView;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Tells connected nodes of their pods, of what those need, and of themselves. A node that connects is told everything;
 * CloudHub leaves out what it has acknowledged before.
 */
export class Downstream extends Component {
  readonly #deps: DownstreamDeps;
  readonly #connected = new Set<string>();
  readonly #pods: WorkQueue<string>;
  /** Pods that are gone and of which the node has not been told. */
  readonly #gone = new Map<string, Pod[]>();
  /** Pods of which we speak for the first time. */
  readonly #fresh = new Set<string>();
  readonly #scope = new DisposableStack();
  readonly #running: Promise<void>;

  constructor(deps: DownstreamDeps) {
    super();
    this.#deps = deps;
    const { bus, view, clock, logger } = deps;
    this.#pods = this.#scope.use(new WorkQueue<string>({ clock }));
    this.#scope.use(bus.listen("hub/session", (notice) => this.#sessionChanged(notice)));
    this.#scope.use(view.onPod((old, pod) => this.#podChanged(old, pod)));
    this.#scope.use(view.onNode((old, node) => this.#nodeChanged(old, node)));
    this.#scope.use(view.configMaps.onChange((old, object) => this.#neededChanged("configMap", old, object)));
    this.#scope.use(view.secrets.onChange((old, object) => this.#neededChanged("secret", old, object)));
    this.#running = runController(this.#pods, (key) => this.#tellPod(key), logger, this.signal, POD_WORKERS);
  }

  #sessionChanged({ node, connected }: CloudNotices["hub/session"]): void {
    if (!connected) return void this.#connected.delete(node);
    this.#connected.add(node);
    const object = this.#deps.view.node(node);
    if (object !== undefined) this.#nodeChanged(undefined, object);
    for (const pod of this.#deps.view.podsOf(node)) {
      const key = keyOf(pod);
      this.#fresh.add(key);
      this.#pods.add(key);
    }
  }

  #podChanged(old: Pod | undefined, pod: Pod | undefined): void {
    const node = (pod ?? old)?.spec?.nodeName;
    if (node === undefined || !this.#connected.has(node)) return;
    const key = keyOf(pod ?? old ?? {});
    if (pod === undefined && old !== undefined) this.#gone.set(key, [...(this.#gone.get(key) ?? []), old]);
    else if (old === undefined) this.#fresh.add(key);
    this.#pods.add(key);
  }

  async #tellPod(key: string): Promise<Record<string, never>> {
    for (const pod of this.#gone.get(key) ?? []) this.#push(pod.spec?.nodeName ?? "", "delete", pod);
    this.#gone.delete(key);
    const pod = this.#deps.view.pod(key);
    const fresh = this.#fresh.delete(key);
    const node = pod?.spec?.nodeName;
    if (pod === undefined || node === undefined || !this.#connected.has(node)) return {};
    // First what it needs, so that the edge never has to ask.
    const { configMaps, secrets } = referencesOfKept(pod);
    const { namespace } = pod.metadata ?? {};
    for (const name of configMaps) await this.#tellNeeded(node, "configMap", `${namespace}/${name}`, fresh);
    for (const name of secrets) await this.#tellNeeded(node, "secret", `${namespace}/${name}`, fresh);
    this.#push(node, fresh && pod.metadata?.deletionTimestamp === undefined ? "insert" : "update", pod);
    return {};
  }

  /** @param ask for what our copy does not know: it may have come into being just before the pod. */
  async #tellNeeded(node: string, kind: "configMap" | "secret", key: string, ask: boolean): Promise<void> {
    const { view, logger } = this.#deps;
    const objects = kind === "configMap" ? view.configMaps : view.secrets;
    try {
      const object: KubeObject | undefined = objects.peek(key) ?? (await objects.get(key, ask, this.signal));
      if (object !== undefined) this.#push(node, kind === "configMap" ? "insert" : "update", object);
    } catch (error) {
      // The pod goes out nevertheless: the edge asks for what it misses.
      logger.warn({ node, [kind]: key, error: toError(error) }, "cannot read what a pod needs");
    }
  }

  #neededChanged(kind: "configMap" | "secret", old: KubeObject | undefined, object: KubeObject | undefined): void {
    const key = keyOf(object ?? old ?? {});
    for (const node of this.#deps.view.nodesThatNeed(kind, key)) {
      if (!this.#connected.has(node)) continue;
      if (object !== undefined)
        this.#push(node, old === undefined && kind === "configMap" ? "insert" : "update", object);
      else if (old !== undefined) this.#push(node, "delete", old);
    }
  }

  #nodeChanged(old: Node | undefined, node: Node | undefined): void {
    const name = (node ?? old)?.metadata?.name ?? "";
    if (!this.#connected.has(name)) return;
    if (node === undefined) {
      if (old !== undefined) this.#push(name, "delete", old);
      return;
    }
    this.#push(name, "update", asReported(node));
  }

  #push(node: string, operation: "insert" | "update" | "delete", object: KubeObject): void {
    this.#send(objectPush({ node, source: "edgecontroller", operation, object }));
  }

  #send(message: Message): void {
    this.#deps.bus.request("hub/send", message, this.signal).catch((error: unknown) => {
      if (!this.signal.aborted) this.#deps.logger.error({ route: message.route, error: toError(error) }, "not sent");
    });
  }

  protected override async stop(): Promise<void> {
    await this.#running;
    this.#scope.dispose();
  }
}
