import type { DatabaseSync } from "node:sqlite";
import {
  type ChannelAgreement,
  ChannelHeader,
  CONNECTION_USE_MESSAGES,
  formatOffer,
  KEDGE_CHANNEL_HEADER,
  parseAgreement,
} from "@kedge/protocol";
import { type Clock, Component, type Logger, systemClock, toError } from "@kedge/runtime";
import type { GroupCommit } from "@kedge/sqlite";
import { connectWebSocket, type LinkClosed, type WebSocketLink } from "@kedge/transport";
import type { EdgeBus, EdgeNotices } from "../edge-messages.ts";
import { type CertificateConfig, CertificateManager } from "./certificate-manager.ts";
import { DownstreamRouter } from "./downstream-router.ts";
import { EpochGuard } from "./epoch-guard.ts";
import { explainFailure } from "./explain-failure.ts";
import { FailureLog } from "./failure-log.ts";
import { HubError } from "./hub-error.ts";
import { HubMetrics } from "./hub-metrics.ts";
import { LeaseRenewals } from "./lease-renewals.ts";
import { ReconnectPolicy } from "./reconnect-policy.ts";
import { type UpstreamConfig, UpstreamQueue } from "./upstream-queue.ts";

export interface EdgeHubConfig extends UpstreamConfig {
  readonly nodeName: string;
  readonly projectId: string;
  /** `host:port` of the WebSocket. */
  readonly server: string;
  readonly handshakeTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly certificate: Omit<CertificateConfig, "nodeName" | "timeoutMs">;
}

export interface EdgeHubDeps {
  readonly logger: Logger;
  readonly bus: EdgeBus;
  readonly db: DatabaseSync;
  readonly commits: GroupCommit;
  readonly clock?: Clock;
  /** The join token has served: it need not be kept. */
  readonly onTokenUsed?: () => void;
}

/** Links that end sooner than this, this many times in a row, point to another host with our name. */
const SHORT_LINK_MS = 5_000;
const SHORT_LINKS_SUSPICIOUS = 4;
/** So often in a row the server hung up in the handshake: it may be our certificate. */
const HUNG_UP_SUSPICIOUS = 2;

/** The node's connection to the cloud: there whenever the cloud is, and never in the way when it is not. */
export class EdgeHub extends Component {
  readonly #config: EdgeHubConfig;
  readonly #deps: EdgeHubDeps & { readonly clock: Clock };
  readonly #certificates: CertificateManager;
  readonly #upstream: UpstreamQueue;
  /** One for all links: what an earlier link brought is done before the next one brings more of the same object. */
  readonly #router: DownstreamRouter;
  readonly #handles = new DisposableStack();
  readonly #policy = new ReconnectPolicy();
  readonly #epochs = new EpochGuard();
  readonly #metrics = new HubMetrics();
  #link: WebSocketLink | undefined;
  /** Absent with a stock cloud. */
  #leases: LeaseRenewals | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #shortLinks = 0;
  /** In a row. */
  #hungUp = 0;
  readonly #failures: FailureLog;

  private constructor(config: EdgeHubConfig, deps: EdgeHubDeps) {
    super();
    const clock = deps.clock ?? systemClock;
    this.#config = config;
    this.#deps = { ...deps, clock };
    this.#failures = new FailureLog({ ...deps, clock });
    const { nodeName, handshakeTimeoutMs, certificate } = config;
    const { logger, onTokenUsed } = deps;
    this.#certificates = new CertificateManager(
      { ...certificate, nodeName, timeoutMs: handshakeTimeoutMs },
      { logger, clock, onTokenUsed, isKnownNode: () => this.#isKnownNode() },
    );
    this.#upstream = new UpstreamQueue(config, { ...deps, clock, metrics: this.#metrics });
    this.#router = new DownstreamRouter(
      {
        bus: deps.bus,
        logger,
        resolve: (reply) => this.#upstream.resolve(reply),
        reply: (message) => this.#upstream.send(message),
      },
      this.signal,
    );
  }

  /**
   * Starts connecting and returns; connecting itself may take for ever.
   *
   * @throws {HubError} if this node was never joined, and joining fails for a reason that does not heal by itself.
   */
  static async start(config: EdgeHubConfig, deps: EdgeHubDeps, signal: AbortSignal): Promise<EdgeHub> {
    await using scope = new AsyncDisposableStack();
    const hub = scope.use(new EdgeHub(config, deps));
    if (!hub.#certificates.present) await hub.#joinFirst(signal);
    hub.#answer();
    hub.#running = Promise.all([hub.#stayConnected(), hub.#rotate()]);
    scope.move();
    return hub;
  }

  async #joinFirst(signal: AbortSignal): Promise<void> {
    try {
      await this.#certificates.identity(signal);
    } catch (error) {
      signal.throwIfAborted();
      const failure = explainFailure(error, this.#config.certificate.httpServer);
      this.#failures.tell(failure, 0);
      if (!failure.retryable) throw failure;
    }
  }

  async #isKnownNode(): Promise<boolean> {
    const { bus } = this.#deps;
    if (!bus.answers("meta/getNode")) return false;
    return (await bus.request("meta/getNode", { name: this.#config.nodeName }, this.signal)) !== undefined;
  }

  #answer(): void {
    const { bus } = this.#deps;
    this.#handles.use(bus.handle("hub/send", (message) => this.#upstream.send(message)));
    this.#handles.use(
      bus.handle("hub/request", ({ message, timeoutMs }, signal) => this.#upstream.request(message, timeoutMs, signal)),
    );
    this.#handles.use(bus.handle("hub/renewLease", (_question, signal) => this.#renewLease(signal)));
    this.#handles.use(bus.handle("hub/metrics", () => this.#metrics.render()));
  }

  async #renewLease(signal: AbortSignal): Promise<void> {
    const leases = this.#leases;
    if (leases === undefined) {
      const why = "the cloud is away, or is not ours: it renews no lease by itself";
      throw new HubError(why, { code: "NotSupported" });
    }
    try {
      await leases.renew(AbortSignal.any([signal, this.signal]));
      this.#metrics.renewed("renewed");
    } catch (error) {
      this.#metrics.renewed("failed");
      throw error;
    }
  }

  async #stayConnected(): Promise<void> {
    const { clock } = this.#deps;
    while (!this.signal.aborted) {
      let waitMs: number;
      try {
        const link = await this.#connect();
        const sinceMs = clock.monotonic();
        const closed = await this.#serve(link);
        waitMs = this.#afterLink(closed, clock.monotonic() - sinceMs);
      } catch (error) {
        if (this.signal.aborted) return;
        const failure = explainFailure(error, this.#config.server);
        this.#noteRejection(failure);
        waitMs = this.#policy.afterFailure(failure, clock.monotonic());
        this.#failures.tell(failure, waitMs);
      }
      await clock.sleep(waitMs, this.signal).catch(() => undefined);
    }
  }

  /** A Node server hangs up on a certificate that it does not take, but so does a network that is cut, now and then. */
  #noteRejection({ code }: HubError): void {
    this.#hungUp = code === "HungUp" ? this.#hungUp + 1 : 0;
    if (code === "CertificateRejected" || this.#hungUp >= HUNG_UP_SUSPICIOUS) this.#certificates.rejected();
  }

  async #connect(): Promise<WebSocketLink> {
    const { server, projectId, nodeName, handshakeTimeoutMs, writeTimeoutMs, heartbeatMs } = this.#config;
    const tls = await this.#certificates.identity(this.signal);
    return connectWebSocket(
      {
        url: `wss://${server}/${projectId}/${nodeName}/events`,
        headers: {
          [ChannelHeader.nodeId]: nodeName,
          [ChannelHeader.projectId]: projectId,
          [ChannelHeader.connectionUse]: CONNECTION_USE_MESSAGES,
          [KEDGE_CHANNEL_HEADER]: formatOffer(this.#upstream.offer()), // a stock cloud does not look at it
        },
        tls,
        handshakeTimeoutMs,
        writeTimeoutMs,
        // Silence ends the link within 1.5 of these (W35); a stock cloud never speaks by itself, but answers pings.
        pingAfterMs: heartbeatMs,
        logger: this.#deps.logger,
        onTraffic: this.#metrics.onTraffic,
      },
      this.signal,
    );
  }

  async #serve(link: WebSocketLink): Promise<LinkClosed> {
    const agreement = parseAgreement(link.responseHeaders[KEDGE_CHANNEL_HEADER.toLowerCase()]);
    if (agreement !== undefined && !(await this.#canActOn(agreement))) link.terminate("its session is void");
    if (this.signal.aborted) link.terminate("edgecore stops");
    if (!link.open) return link.closed;
    this.#link = link;
    this.#hungUp = 0;
    this.#failures.healed();
    this.#metrics.connected(agreement !== undefined);
    this.#deps.logger.info(
      { server: this.#config.server, ...(agreement ?? { stock: true }) },
      "connected to the cloud",
    );
    if (agreement !== undefined) this.#agree(link);
    const sending = this.#upstream.serve(link, agreement, this.signal);
    this.#notify({ connected: true, agreed: agreement !== undefined });
    // What waits its turn when a newer session has begun is void: a cloud of ours sends again what it has no ack for.
    const isVoid = () => this.#link !== link && this.#leases !== undefined;
    link.receive((message) => this.#router.take(message, isVoid));
    const closed = await link.closed;
    this.#link = this.#leases = undefined;
    await sending;
    this.#notify({ connected: false, agreed: false });
    return closed;
  }

  /** A late session, or one that counts messages which this database never sent, must not act. */
  async #canActOn(agreement: ChannelAgreement): Promise<boolean> {
    const { epoch } = agreement;
    if (this.#epochs.admit(epoch)) return this.#upstream.isTrusted(agreement);
    this.#deps.logger.warn(
      { epoch },
      "the cloud opened a session older than one that it had opened before; closing it",
    );
    return false;
  }

  #agree(link: WebSocketLink): void {
    const leases = new LeaseRenewals(link);
    this.#leases = leases;
    link.agree({
      onControl: (frame) => {
        if (frame.kind === "applied") this.#upstream.applied(frame.upTo);
        else leases.answered(frame);
      },
    });
  }

  /** A listener that fails must not cost us the link. */
  #notify(connection: EdgeNotices["hub/connection"]): void {
    try {
      this.#deps.bus.notify("hub/connection", connection);
    } catch (error) {
      this.#deps.logger.error({ error: toError(error) }, "a part of the agent failed when told of the connection");
    }
  }

  #afterLink({ reason, detail }: LinkClosed, livedMs: number): number {
    this.#shortLinks = livedMs < SHORT_LINK_MS ? this.#shortLinks + 1 : 0;
    const facts = { reason, detail, livedMs: Math.round(livedMs) };
    if (!this.signal.aborted) this.#deps.logger.warn(facts, "connection to the cloud ended");
    const { nodeName } = this.#config;
    if (this.#shortLinks === SHORT_LINKS_SUSPICIOUS)
      this.#failures.tell(
        new HubError(
          `the cloud ends our connection again and again: does another host use the node name ${nodeName}? If so give one of them another hostnameOverride`,
          { code: "DuplicateName", nodeName },
        ),
        0,
      );
    return this.#policy.afterLink(livedMs, this.#deps.clock.monotonic());
  }

  async #rotate(): Promise<void> {
    try {
      await this.#certificates.rotate(() => void this.#link?.close("certificate renewed"), this.signal);
    } catch (error) {
      if (!this.signal.aborted) this.#deps.logger.error({ error: toError(error) }, "certificate rotation ended");
    }
  }

  protected override async stop(): Promise<void> {
    this.#handles.dispose();
    this.#upstream.stop();
    await this.#link?.close("edgecore stops");
    await this.#running;
  }
}
