import { type Node, NODES } from "@kedge/kube";
import { type KubeClient, runController, WorkQueue } from "@kedge/kube-client";
import { type Clock, Component, hasCode, type Logger, toError } from "@kedge/runtime";
import {
  endpointPatch,
  KUBELET_ENDPOINT_ANNOTATION,
  type KubeletEndpoint,
  ownEndpoint,
  readEndpoint,
  shows,
} from "./node-endpoint.ts";
import type { NodePorts } from "./node-ports.ts";
import type { StreamView } from "./stream-view.ts";

export interface EndpointKeeperDeps {
  readonly kube: KubeClient;
  readonly view: StreamView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ports: NodePorts;
  /** Where the API server reaches this cloudcore. */
  readonly address: string;
  /** There, the port for all nodes. */
  readonly streamPort: number;
  /** KubeEdge's way, with packet filters: nodes keep their addresses, and all show this port. */
  readonly stockPort: number | undefined;
  readonly hasTunnel: (node: string) => boolean;
  /** Another cloudcore has a newer tunnel of the node. */
  readonly onLost: (node: string) => void;
}

/** Nodes written at once: with all at once, as after a restart, other work goes on. */
const WORKERS = 8;

/**
 * Sees to it that a node whose tunnel ends here shows the cluster this cloudcore as its kubelet endpoint: address and port.
 * Level-based: whoever else writes there, an edge or a person, it becomes right again.
 */
export class EndpointKeeper extends Component {
  readonly #deps: EndpointKeeperDeps;
  readonly #queue: WorkQueue<string>;
  /** The turn in which we hold a node; absent: not noted on the Node yet. */
  readonly #turns = new Map<string, number>();
  readonly #watching: Disposable;
  readonly #running: Promise<void>;

  private constructor(deps: EndpointKeeperDeps) {
    super();
    this.#deps = deps;
    this.#queue = new WorkQueue<string>({ clock: deps.clock });
    this.#watching = deps.view.onNode((old, node) => this.#nodeChanged(old, node));
    this.#running = runController(this.#queue, (node) => this.#reconcile(node), deps.logger, this.signal, WORKERS);
  }

  /** Ports that nodes have had here are theirs from the start: who asks before a tunnel is back is told so. */
  static async start(deps: EndpointKeeperDeps): Promise<EndpointKeeper> {
    const keeper = new EndpointKeeper(deps);
    for (const node of deps.view.nodes()) {
      const endpoint = readEndpoint(node);
      if (endpoint !== undefined && keeper.#isOurs(endpoint) && deps.stockPort === undefined)
        await deps.ports.open(node.metadata?.name ?? "", endpoint.port).catch(() => undefined);
    }
    return keeper;
  }

  /** The node's tunnel has come. */
  connected(node: string): void {
    this.#turns.delete(node);
    this.#queue.add(node);
  }

  disconnected(node: string): void {
    this.#turns.delete(node);
  }

  #isOurs({ address, streamPort }: KubeletEndpoint): boolean {
    return address === this.#deps.address && streamPort === this.#deps.streamPort;
  }

  #nodeChanged(old: Node | undefined, node: Node | undefined): void {
    const name = (node ?? old)?.metadata?.name ?? "";
    if (this.#deps.hasTunnel(name)) return this.#queue.add(name);
    const endpoint = readEndpoint(node);
    if (endpoint === undefined || !this.#isOurs(endpoint)) this.#deps.ports.close(name);
  }

  async #reconcile(name: string): Promise<Record<string, never>> {
    const { view, hasTunnel, stockPort } = this.#deps;
    const node = view.node(name);
    if (node === undefined) this.#deps.ports.close(name);
    if (node === undefined || !hasTunnel(name)) return {};
    if (stockPort === undefined) await this.#show(name, node);
    else await this.#showPort(name, node, stockPort);
    return {};
  }

  async #show(name: string, node: Node): Promise<void> {
    const { ports, address, streamPort, onLost, logger } = this.#deps;
    const present = readEndpoint(node);
    const isOurs = present !== undefined && this.#isOurs(present);
    const held = this.#turns.get(name);
    if (held !== undefined && present !== undefined && !isOurs && present.turn > held) {
      this.#turns.delete(name);
      logger.info({ node: name, address: present.address }, "the node's tunnel has moved to another cloudcore");
      return onLost(name);
    }
    const turn = Math.max(held ?? 0, isOurs ? present.turn : (present?.turn ?? 0) + 1);
    const port = await ports.open(name, present?.port).catch((error: unknown) => {
      logger.error(
        { node: name, error: toError(error) },
        "the node is found by pods only: metrics need a port of its own",
      );
      return undefined;
    });
    const endpoint = { turn, address, port: port ?? streamPort, streamPort, own: ownEndpoint(node) };
    if (!shows(node, endpoint)) {
      // Only if the Node is as we know it: what its own edge reports at this moment must not be lost.
      await this.#write(name, endpointPatch(endpoint, node.metadata?.resourceVersion));
      logger.debug({ node: name, address, port: endpoint.port }, "the cluster finds the node's kubelet endpoint here");
    }
    if (this.#deps.hasTunnel(name)) this.#turns.set(name, turn);
  }

  async #showPort(name: string, node: Node, port: number): Promise<void> {
    const isShown = node.status?.daemonEndpoints?.kubeletEndpoint?.Port === port;
    const wasShown = node.metadata?.annotations?.[KUBELET_ENDPOINT_ANNOTATION] !== undefined;
    if (isShown && !wasShown) return;
    // What we had put in the place of its addresses, when it was not KubeEdge's way, is over.
    const { addresses } = ownEndpoint(node);
    await this.#write(name, {
      ...(wasShown && { metadata: { annotations: { [KUBELET_ENDPOINT_ANNOTATION]: null } } }),
      status: { ...(wasShown && { addresses }), daemonEndpoints: { kubeletEndpoint: { Port: port } } },
    });
  }

  async #write(name: string, body: object): Promise<void> {
    try {
      await this.#deps.kube.patch(NODES, { name }, { type: "merge", body }, this.signal, { subresource: "status" });
    } catch (error) {
      if (!hasCode(error, "NotFound")) throw error; // it was deleted; once it is back, we hear of it
    }
  }

  protected override async stop(): Promise<void> {
    this.#watching[Symbol.dispose]();
    await this.#running;
  }
}
