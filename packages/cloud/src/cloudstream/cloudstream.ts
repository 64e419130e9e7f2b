import type { KubeClient } from "@kedge/kube-client";
import { type Clock, Component, isAbort, type Logger, type MessageBus, type Metrics, toError } from "@kedge/runtime";
import {
  type LinkRefusal,
  type LinkRequest,
  startTunnelServer,
  type TlsIdentity,
  type TunnelLink,
  type WebSocketServer,
} from "@kedge/transport";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import { admitTunnel } from "./admit-tunnel.ts";
import { ClientAuthorities } from "./client-authorities.ts";
import { EndpointKeeper } from "./endpoint-keeper.ts";
import { KubeletCallers } from "./kubelet-caller.ts";
import { KubeletRights } from "./kubelet-rights.ts";
import { KEEP_ALIVE, KubeletServer, type KubeletTls } from "./kubelet-server.ts";
import { NodePorts } from "./node-ports.ts";
import { NodesByAddress } from "./nodes-by-address.ts";
import { PeerForward } from "./peer-forward.ts";
import { identityFrom } from "./pem-files.ts";
import type { CloudStreamConfig } from "./stream-config.ts";
import type { StreamView } from "./stream-view.ts";
import { agreeOnTunnelPort } from "./tunnel-port-record.ts";
import { Tunnels } from "./tunnels.ts";

/** What CloudHub knows of nodes and certificates. */
export interface StreamHub {
  /** Of our servers, now. */
  readonly identity: TlsIdentity;
  /** The key of KubeEdge's CA. */
  readonly caKey: Buffer;
  /** Why an administrator keeps this node out; undefined: nobody does. */
  whyLockedOut(node: string): string | undefined;
}

export interface CloudStreamDeps {
  readonly kube: KubeClient;
  readonly bus: MessageBus<CloudMessages, CloudNotices>;
  readonly view: StreamView;
  readonly hub: StreamHub;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** How often certificates in files are looked at. */
const LOOK_MS = 60_000;

/** Lets the cluster see into nodes: the tunnels that nodes open (10004), and their kubelet endpoints (10003 and one port each). */
export class CloudStream extends Component {
  readonly #config: CloudStreamConfig;
  readonly #deps: CloudStreamDeps;
  readonly #scope = new AsyncDisposableStack();
  readonly #tunnels = new Tunnels();
  #authorities: ClientAuthorities | undefined;
  #kubelet: KubeletServer | undefined;
  #tunnelServer: WebSocketServer | undefined;
  #keeper: EndpointKeeper | undefined;
  #tls: { readonly stream: TlsIdentity; readonly tunnel: TlsIdentity } | undefined;
  #looking: Promise<void> = Promise.resolve();

  private constructor(config: CloudStreamConfig, deps: CloudStreamDeps) {
    super();
    this.#config = config;
    this.#deps = deps;
    const { metrics } = deps;
    metrics.gauge({ name: "kedge_cloudstream_tunnels", help: "Nodes with a tunnel here." }, () => this.#tunnels.size);
    const streams = { name: "kedge_cloudstream_streams", help: "Streams through tunnels that are open." };
    metrics.gauge(streams, () => this.#tunnels.sessions);
  }

  /** @throws if a port is taken, a certificate cannot be read, or `signal` aborts. */
  static async start(config: CloudStreamConfig, deps: CloudStreamDeps, signal: AbortSignal): Promise<CloudStream> {
    await using scope = new AsyncDisposableStack();
    const stream = scope.use(new CloudStream(config, deps));
    await stream.#start(signal);
    scope.move();
    return stream;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { kube, bus, view, clock, logger, hub } = this.#deps;
    const { host, nodeAddress: address, stockWay } = this.#config;
    this.#tls = await this.#readTls();
    const { ca } = this.#config.streamFiles;
    this.#authorities = this.#scope.use(
      await ClientAuthorities.start(ca, { kube, clock, logger }, () => this.#showTls(), signal),
    );
    const ports = this.#scope.use(
      new NodePorts({
        host,
        range: stockWay ? undefined : this.#config.nodePorts,
        socket: KEEP_ALIVE,
        onConnection: (socket) => this.#kubelet?.take(socket),
      }),
    );
    const kubelet = await this.#startKubelet(ports, signal);
    const streamPort = kubelet.port;
    const stockPort = stockWay ? await agreeOnTunnelPort(address, { kube, clock, logger }, signal) : undefined;
    this.#keeper = this.#scope.use(
      await EndpointKeeper.start({
        kube,
        view,
        clock,
        logger,
        ports,
        address,
        streamPort,
        stockPort,
        hasTunnel: (node) => this.#tunnels.has(node),
        onLost: (node) => void this.#tunnels.end(node, "the node has a newer tunnel at another cloudcore"),
      }),
    );
    this.#scope.use(
      view.onNode((old, node) => old !== undefined && node === undefined && this.#nodeGone(old.metadata?.name)),
    );
    this.#scope.use(bus.listen("hub/lockedOut", ({ node }) => this.#end(node, hub.whyLockedOut(node) ?? "locked out")));
    this.#scope.use(bus.listen("hub/identity", () => void this.#look()));
    this.#tunnelServer = this.#scope.use(await this.#listen(signal)); // last: who comes is served
    this.#looking = this.#lookNowAndThen();
    if (stockPort !== undefined)
      logger.warn(
        { stockPort, streamPort },
        "KubeEdge's way to nodes: an iptables manager must lead the one port to the other; cloudcore brings none",
      );
    logger.info(
      { tunnel: this.ports.tunnel, stream: streamPort, nodeAddress: address, stockPort },
      "CloudStream listens",
    );
  }

  async #startKubelet(ports: NodePorts, signal: AbortSignal): Promise<KubeletServer> {
    const { kube, view, clock, logger, metrics, hub } = this.#deps;
    const { host, streamPort, nodeAddress, stockWay } = this.#config;
    const addresses = stockWay ? this.#scope.use(new NodesByAddress(view)) : undefined;
    const peers = new PeerForward({
      view,
      tunnels: this.#tunnels,
      clock,
      self: () => ({ address: nodeAddress, streamPort: this.ports.stream }),
      caKey: hub.caKey,
      trusted: () => hub.identity.ca,
    });
    const deps = {
      view,
      tunnels: this.#tunnels,
      callers: new KubeletCallers(kube, clock),
      rights: new KubeletRights(kube, clock),
      peers,
      nodeOfPort: (port: number | undefined) => ports.nodeOf(port),
      nodesAt: (address: string) => addresses?.at(address) ?? [],
      metrics,
      logger,
    };
    this.#kubelet = await KubeletServer.start({ host, port: streamPort, tls: this.#kubeletTls }, deps, signal);
    return this.#scope.use(this.#kubelet);
  }

  #listen(signal: AbortSignal): Promise<WebSocketServer> {
    const { host, tunnelPort: port } = this.#config;
    const { logger } = this.#deps;
    return startTunnelServer(
      {
        host,
        port,
        tls: this.#expectTls().tunnel,
        logger,
        refuse: (request) => this.#refuse(request),
        onTunnel: (tunnel, request) => this.#open(tunnel, request),
      },
      signal,
    );
  }

  /** The ports in use, also where the configuration says 0. */
  get ports(): { readonly tunnel: number; readonly stream: number } {
    return { tunnel: this.#tunnelServer?.port ?? 0, stream: this.#kubelet?.port ?? 0 };
  }

  #refuse(request: LinkRequest): LinkRefusal | undefined {
    const { refusal } = admitTunnel(request, (node) => this.#deps.hub.whyLockedOut(node));
    const { remoteAddress: remote } = request;
    if (refusal !== undefined) this.#deps.logger.warn({ remote, reason: refusal.reason }, "tunnel refused");
    return refusal;
  }

  #open(tunnel: TunnelLink, request: LinkRequest): void {
    const { node, refusal } = { node: "", ...admitTunnel(request, (name) => this.#deps.hub.whyLockedOut(name)) };
    if (refusal !== undefined) return void tunnel.sendClose(refusal.reason);
    this.#tunnels.add(node, tunnel);
    this.#deps.logger.info({ node, remote: request.remoteAddress, agreed: tunnel.agreed }, "tunnel opened");
    void tunnel.closed.then(({ reason, detail }) => {
      if (this.#tunnels.remove(node, tunnel)) this.#keeper?.disconnected(node);
      this.#deps.logger.info({ node, reason, detail }, "tunnel closed");
    });
    this.#keeper?.connected(node);
  }

  #nodeGone(node: string | undefined): void {
    if (node !== undefined) this.#end(node, "the node was deleted from the cluster");
  }

  #end(node: string, reason: string): void {
    void this.#tunnels.end(node, reason);
    this.#keeper?.disconnected(node);
  }

  #expectTls(): { readonly stream: TlsIdentity; readonly tunnel: TlsIdentity } {
    if (this.#tls === undefined) throw new Error("there are no certificates before the start");
    return this.#tls;
  }

  get #kubeletTls(): KubeletTls {
    const { cert, key } = this.#expectTls().stream;
    return { cert, key, clientAuthorities: this.#authorities?.pem ?? "" };
  }

  async #readTls(): Promise<{ stream: TlsIdentity; tunnel: TlsIdentity }> {
    const { identity } = this.#deps.hub;
    const { streamFiles, tunnelFiles } = this.#config;
    return { stream: await identityFrom(streamFiles, identity), tunnel: await identityFrom(tunnelFiles, identity) };
  }

  #showTls(): void {
    this.#kubelet?.replaceTls(this.#kubeletTls);
    this.#tunnelServer?.replaceIdentity(this.#expectTls().tunnel);
  }

  async #look(): Promise<void> {
    try {
      const [before, now] = [JSON.stringify(this.#tls), await this.#readTls()];
      if (this.signal.aborted || JSON.stringify(now) === before) return;
      this.#tls = now;
      this.#showTls();
    } catch (error) {
      this.#deps.logger.warn(
        { error: toError(error) },
        "the streams' certificates cannot be read; the present ones stay",
      );
    }
  }

  async #lookNowAndThen(): Promise<void> {
    try {
      for (;;) {
        await this.#deps.clock.sleep(LOOK_MS, this.signal);
        await this.#look();
      }
    } catch (error) {
      if (!isAbort(error, this.signal)) throw error;
    }
  }

  protected override async stop(): Promise<void> {
    await Promise.all(this.#tunnels.nodes.map((node) => this.#tunnels.end(node, "cloudcore stops")));
    await this.#looking;
    await this.#scope.disposeAsync();
  }
}
