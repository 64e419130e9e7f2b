import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { CodedError, Component } from "@kedge/runtime";

/** From the first to the last, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface NodePortsOptions {
  readonly host: string;
  /** Absent: nodes get no ports of their own. */
  readonly range: PortRange | undefined;
  /** Of connections. */
  readonly socket?: { readonly keepAlive: boolean; readonly keepAliveInitialDelay: number };
  /** Gets each connection; which node it is for, tells its local port. */
  readonly onConnection: (socket: Socket) => void;
}

/** Ports that are tried for one node, where others have taken those before. */
const TRIES_MAX = 256;
/** Connections to one node's port: the API server keeps some open, metrics-server one. */
const NODE_CONNECTIONS_MAX = 512;

export class NodePortError extends CodedError<{ readonly code: "NoPortLeft"; readonly range: string }> {
  override readonly retryable = true;
}

/**
 * A port of its own for each node, so that whoever reaches for a node's kubelet endpoint at address and port finds that
 * node, without a word about it in the request. A listener costs some KB.
 */
export class NodePorts extends Component {
  readonly #options: NodePortsOptions;
  readonly #servers = new Map<string, { readonly server: Server; readonly port: number }>();
  readonly #nodes = new Map<number, string>();
  /** One after another: two nodes must not try for one port at once. */
  #opening: Promise<unknown> = Promise.resolve();

  constructor(options: NodePortsOptions) {
    super();
    this.#options = options;
  }

  /** The node whose port this is. */
  nodeOf(port: number | undefined): string | undefined {
    return port === undefined ? undefined : this.#nodes.get(port);
  }

  portOf(node: string): number | undefined {
    return this.#servers.get(node)?.port;
  }

  get size(): number {
    return this.#servers.size;
  }

  /**
   * The node's port; opened if it is not yet.
   *
   * @param wanted the one that the cluster knows already: taken if it can be.
   * @returns undefined: nodes get no ports of their own.
   * @throws {NodePortError} all are taken.
   */
  open(node: string, wanted?: number): Promise<number | undefined> {
    const opened = this.#opening.then(() => this.#open(node, wanted));
    this.#opening = opened.catch(() => undefined);
    return opened;
  }

  async #open(node: string, wanted: number | undefined): Promise<number | undefined> {
    this.signal.throwIfAborted();
    const { range } = this.#options;
    const known = this.portOf(node);
    if (known !== undefined || range === undefined) return known;
    const fits = wanted !== undefined && wanted >= range.first && wanted <= range.last;
    const candidates = [...(fits ? [wanted] : []), ...portsFor(node, range)];
    for (const port of candidates) {
      if (this.#nodes.has(port)) continue;
      const server = await this.#listen(port);
      if (server === undefined) continue;
      this.#servers.set(node, { server, port });
      this.#nodes.set(port, node);
      return port;
    }
    const text = `${range.first}-${range.last}`;
    throw new NodePortError(`there is no free port for node ${node} in ${text}: widen modules.cloudStream.nodePorts`, {
      code: "NoPortLeft",
      range: text,
    });
  }

  /** @returns undefined if somebody else has it. */
  async #listen(port: number): Promise<Server | undefined> {
    const server = createServer({ noDelay: true, ...this.#options.socket }, this.#options.onConnection);
    server.maxConnections = NODE_CONNECTIONS_MAX;
    server.listen(port, this.#options.host);
    try {
      await once(server, "listening");
      return server;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EADDRINUSE" || code === "EACCES") return undefined;
      throw error;
    }
  }

  close(node: string): void {
    const open = this.#servers.get(node);
    if (open === undefined) return;
    this.#servers.delete(node);
    this.#nodes.delete(open.port);
    open.server.close();
  }

  protected override async stop(): Promise<void> {
    await this.#opening;
    for (const node of this.#servers.keys()) this.close(node);
  }
}

/** Where we look for a node's port, in this order: the same after a restart, and at each replica. */
function* portsFor(node: string, { first, last }: PortRange): Generator<number> {
  const size = last - first + 1;
  const start = createHash("sha256").update(node).digest().readUInt32BE(0) % size;
  for (let tries = 0; tries < Math.min(TRIES_MAX, size); tries += 1) yield first + ((start + tries) % size);
}
