import { type KubeClient, runController, WorkQueue } from "@kedge/kube-client";
import { type Message, objectPush, orphanDelete } from "@kedge/protocol";
import { type Clock, Component, type Logger, type MessageBus } from "@kedge/runtime";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import type { SyncRecords } from "../cloudhub/sync-records.ts";
import type { ClusterView } from "../edgecontroller/cluster-view.ts";
import { DigestExchange } from "./digest-exchange.ts";
import { ObjectFinder, sourceOf } from "./object-finder.ts";
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
  readonly #finder: ObjectFinder;
  readonly #running: Promise<void>;

  constructor(deps: SyncControllerDeps) {
    super();
    this.#deps = deps;
    this.#nodes = this.#scope.use(new WorkQueue<string>({ clock: deps.clock }));
    this.#finder = new ObjectFinder(deps);
    const digests = new DigestExchange({ ...deps, finder: this.#finder }, this.signal);
    this.#scope.use(deps.bus.handle("sync/digest", ({ node, message }) => digests.handle(node, message)));
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
      const object = await this.#finder.find(record, this.signal);
      if (object === "unknown") continue;
      const plan = planObjectSync(object, record);
      if (plan === "none" || !this.#connected.has(node)) continue;
      if (plan === "delete" && !(await this.#finder.isGone(record, this.signal))) continue;
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

  protected override async stop(): Promise<void> {
    await this.#running;
    this.#scope.dispose();
  }
}
