import { CONFIG_MAPS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import {
  type ChannelOffer,
  type ControlFrame,
  formatAgreement,
  KEDGE_CHANNEL_HEADER,
  kubernetesCaAnswer,
  type Message,
  Operation,
  parseOffer,
  parseResource,
  targetNode,
  trimNodePrefix,
} from "@kedge/protocol";
import { type Clock, Component, type Logger, type MessageBus, type Metrics, toError } from "@kedge/runtime";
import {
  type LinkAdmission,
  type LinkRefusal,
  type LinkRequest,
  type ServerLoad,
  type TlsIdentity,
  type WebSocketLink,
  WebSocketServer,
} from "@kedge/transport";
import type { CloudMessages, CloudNotices } from "../cloud-messages.ts";
import { admit } from "./admission.ts";
import { AgreedChannel } from "./agreed-channel.ts";
import { HubMetrics } from "./hub-metrics.ts";
import { Inboxes } from "./inboxes.ts";
import { Joining, type JoiningConfig } from "./joining.ts";
import { CLOSE_LOCKED_OUT } from "./locked-out-nodes.ts";
import { CLOSE_NODE_DELETED, CLOSE_REPLACED, CLOSE_SILENT, NodeSession } from "./node-session.ts";
import { type Claim, type NodeView, SessionClaims } from "./session-claims.ts";
import type { SyncRecords } from "./sync-records.ts";
import { networkOf, RateLimits } from "./rate-limits.ts";
import { routeUpstream, shownRoute } from "./upstream-router.ts";
import { UpstreamWork } from "./upstream-work.ts";

export interface CloudHubConfig extends JoiningConfig {
  readonly websocket: { readonly address: string; readonly port: number };
  readonly keepaliveMs: number;
  readonly writeTimeoutMs: number;
  readonly nodeLimit: number;
}

export interface CloudHubDeps {
  readonly kube: KubeClient;
  readonly bus: MessageBus<CloudMessages, CloudNotices>;
  readonly records: SyncRecords;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly view: NodeView;
  /** This instance's address, as nodes know it. */
  readonly address: string;
}

interface Admitted {
  readonly claim: Claim;
  /** Of an edge of ours. */
  readonly offer: ChannelOffer | undefined;
  /** Grows with each request that comes. */
  readonly arrival: number;
}

/** How often silent sessions are looked for. */
const SWEEP_MS = 1_000;
const NO_LOAD: ServerLoad = { handshaking: 0, waiting: 0, cut: 0, sentAway: 0 };
/** Sessions that one node may begin at once: each costs as much as the first, and takes its turn from the others… */
const SESSIONS_BURST_MAX = 60;
/** …then one more in so many ms. */
const SESSIONS_REFILL_MS = 1_000;
/** Refused requests of one address that are logged, at once; the rest are only counted. */
const REFUSALS_BURST_MAX = 20;
const REFUSALS_REFILL_MS = 3_000;
const TOO_OFTEN: LinkRefusal = {
  httpStatus: 429,
  reason: "this node begins sessions again and again: does another host use its name?",
  retryAfterSeconds: 5,
};
const TAKEN_MEANWHILE: LinkRefusal = {
  httpStatus: 503,
  reason: "another cloudcore let this node in at the same moment: try again",
  retryAfterSeconds: 1,
};
/** Of the CA that clusters publish. */
const KUBERNETES_CA = { namespace: "kube-system", name: "kube-root-ca.crt" };

/** Holds the sessions of all nodes that are connected to this process: port 10000, and 10002 to join. */
export class CloudHub extends Component {
  readonly #config: CloudHubConfig;
  readonly #deps: CloudHubDeps;
  readonly #metrics: HubMetrics;
  readonly #sessions = new Map<string, NodeSession>();
  readonly #scope = new AsyncDisposableStack();
  readonly #inboxes = new Inboxes();
  readonly #work: UpstreamWork;
  /** What was agreed on with a request that was let in and has no link yet. */
  readonly #admitted = new WeakMap<LinkRequest, Admitted>();
  readonly #claims: SessionClaims;
  readonly #begins: RateLimits;
  readonly #refusals: RateLimits;
  #arrivals = 0;
  readonly #arrivalOf = new WeakMap<NodeSession, number>();
  /** Nodes that were let in and wait for their claim. */
  #entering = 0;
  #websocket: WebSocketServer | undefined;
  #joining: Joining | undefined;
  #kubernetesCa = "";

  private constructor(config: CloudHubConfig, deps: CloudHubDeps) {
    super();
    this.#config = config;
    this.#deps = deps;
    this.#metrics = new HubMetrics(deps.metrics, () => this.#websocket?.load ?? NO_LOAD);
    this.#begins = new RateLimits({ burst: SESSIONS_BURST_MAX, refillMs: SESSIONS_REFILL_MS }, deps.clock);
    this.#refusals = new RateLimits({ burst: REFUSALS_BURST_MAX, refillMs: REFUSALS_REFILL_MS }, deps.clock);
    const claims = new SessionClaims({ ...deps, onLost: (session) => this.#lose(session) });
    this.#claims = this.#scope.use(claims);
    const confirm = (session: NodeSession) => claims.confirm(session);
    this.#work = new UpstreamWork({ ...deps, metrics: this.#metrics, confirm });
    const connected = { name: "KubeEdge_CloudHub_connected_nodes", help: "Nodes with a session." };
    deps.metrics.gauge(connected, () => this.#sessions.size);
    const waiting = { name: "kedge_cloudhub_unacknowledged", help: "Objects that nodes have not acknowledged." };
    deps.metrics.gauge(waiting, () => {
      let count = 0;
      for (const session of this.#sessions.values()) count += session.unacknowledged;
      return count;
    });
  }

  /** @throws if certificates or token cannot be made, a port is taken, or `signal` aborts. */
  static async start(config: CloudHubConfig, deps: CloudHubDeps, signal: AbortSignal): Promise<CloudHub> {
    await using scope = new AsyncDisposableStack();
    const hub = scope.use(new CloudHub(config, deps));
    await hub.#start(signal);
    scope.move();
    return hub;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { logger } = this.#deps;
    const joining = await Joining.start(
      this.#config,
      {
        ...this.#deps,
        isConnected: (node) => this.#sessions.has(node),
        onLockedOut: (node) => this.#lockOut(node),
        onIdentity: (tls) => {
          this.#websocket?.replaceIdentity(tls);
          this.#deps.bus.notify("hub/identity", {});
        },
      },
      signal,
    );
    this.#joining = this.#scope.use(joining);
    this.#scope.use(this.#deps.bus.handle("hub/send", (message) => this.#send(message)));
    this.#websocket = this.#scope.use(await this.#listen(joining.identity, signal));
    await joining.listen(signal); // last: who can join can connect
    const sweep = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#scope.defer(() => clearInterval(sweep));
    logger.info({ websocket: this.ports.websocket, https: this.ports.https }, "CloudHub listens");
  }

  #listen(tls: Parameters<typeof WebSocketServer.start>[0]["tls"], signal: AbortSignal): Promise<WebSocketServer> {
    const { websocket, writeTimeoutMs, keepaliveMs } = this.#config;
    return WebSocketServer.start(
      {
        host: websocket.address,
        port: websocket.port,
        tls,
        logger: this.#deps.logger,
        writeTimeoutMs,
        // An edge beats twice in this time. Half-open links end within 1.5 beats; the sweep finds edges that only answer pings.
        pingAfterMs: keepaliveMs / 2,
        onTraffic: this.#metrics.onTraffic,
        admit: (request) => this.#admit(request),
        onLink: (link, request) => this.#open(link, request),
      },
      signal,
    );
  }

  /** The ports in use, also where the configuration says 0. */
  get ports(): { readonly websocket: number; readonly https: number } {
    return { websocket: this.#websocket?.port ?? 0, https: this.#joining?.port ?? 0 };
  }

  /** Of our servers, now. */
  get identity(): TlsIdentity {
    return this.#started.identity;
  }

  /** The key of KubeEdge's CA: replicas share it, and nobody else has it. */
  get caKey(): Buffer {
    return this.#started.caKey;
  }

  /** @returns undefined: it may come in. */
  whyLockedOut(node: string): string | undefined {
    return this.#joining?.whyLockedOut(node);
  }

  get #started(): Joining {
    if (this.#joining === undefined) throw new Error("CloudHub has not started");
    return this.#joining;
  }

  /** Nodes with a session here. */
  get connectedNodes(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  async #admit(request: LinkRequest): Promise<LinkAdmission> {
    const admission = admit(request, {
      connected: this.#sessions.size + this.#entering,
      connectedMax: this.#config.nodeLimit,
      isConnected: (node) => this.#sessions.has(node),
      whyLockedOut: (node) => this.#joining?.whyLockedOut(node),
    });
    if (admission.refusal === undefined) {
      if (this.#begins.take(admission.node)) return this.#claim(admission.node, request);
      this.#metrics.refused("tooOften");
      return { refusal: TOO_OFTEN };
    }
    const { reason } = admission.refusal;
    this.#metrics.refused(admission.code);
    const node = request.headers["node_id"];
    if (this.#refusals.take(networkOf(request.remoteAddress)))
      this.#deps.logger.warn({ node, remote: request.remoteAddress, reason }, "connection refused");
    if (admission.node !== undefined) this.#joining?.sessionRefused(admission.node, request.remoteAddress, reason);
    return { refusal: admission.refusal };
  }

  async #claim(node: string, request: LinkRequest): Promise<LinkAdmission> {
    this.#entering += 1;
    this.#arrivals += 1;
    const arrival = this.#arrivals;
    let claim: Claim | undefined;
    try {
      claim = await this.#claims.claim(node, this.signal);
    } finally {
      this.#entering -= 1;
    }
    if (claim === undefined) {
      this.#metrics.refused("takenMeanwhile");
      return { refusal: TAKEN_MEANWHILE };
    }
    const offer = parseOffer(request.headers[KEDGE_CHANNEL_HEADER.toLowerCase()]);
    this.#admitted.set(request, { claim, offer, arrival });
    if (offer === undefined) return {};
    const agreement = { epoch: claim.epoch, applied: this.#inboxes.of(node, offer).applied };
    return { responseHeaders: { [KEDGE_CHANNEL_HEADER]: formatAgreement(agreement) } };
  }

  #open(link: WebSocketLink, request: LinkRequest): void {
    const node = String(request.headers["node_id"]);
    const admitted = this.#admitted.get(request);
    if (admitted === undefined) return link.terminate("it was not let in");
    const { claim, offer, arrival } = admitted;
    const { epoch } = claim;
    // Claims may take their time: an administrator may have locked the node out meanwhile.
    if (this.#joining?.whyLockedOut(node) !== undefined)
      return void link.close("locked out by an administrator", CLOSE_LOCKED_OUT);
    const before = this.#sessions.get(node);
    // One that came later, and is here already, is the newer one.
    if (before !== undefined && (this.#arrivalOf.get(before) ?? 0) > arrival)
      return void link.close("replaced by a newer session", CLOSE_REPLACED);
    const logger = this.#deps.logger.child({ node });
    const { clock, records } = this.#deps;
    // From here on nothing of the older session counts (W32).
    before?.end("replaced by a newer session", CLOSE_REPLACED);
    const agreed = offer && new AgreedChannel(offer, this.#inboxes.of(node, offer), link, clock);
    const session = new NodeSession(node, epoch, link, { clock, records, logger, metrics: this.#metrics, agreed });
    this.#sessions.set(node, session);
    this.#arrivalOf.set(session, arrival);
    logger.info({ remote: request.remoteAddress, epoch, agreed: agreed !== undefined }, "node connected");
    if (agreed !== undefined) link.agree({ onControl: (frame) => this.#control(session, frame) });
    link.receive((message, bytes) => this.#receive(session, message, bytes));
    void this.#watchEnd(session, logger);
    this.#deps.bus.notify("hub/session", { node, connected: true });
    this.#claims.hold(session, claim); // last: it may turn out to be lost
  }

  #control(session: NodeSession, frame: ControlFrame): void | Promise<void> {
    if (this.#sessions.get(session.node) !== session) return;
    session.heard();
    if (frame.kind === "renewLease") void this.#renewLease(session, frame.request);
    else this.#deps.logger.warn({ node: session.node, kind: frame.kind }, "a node said what only a cloud says");
    const slower = session.tooFast();
    if (slower !== undefined) return session.readAfter(slower);
  }

  async #renewLease({ node, link, signal }: NodeSession, request: number): Promise<void> {
    let answer: ControlFrame = { kind: "leaseRenewed", request };
    try {
      await this.#deps.bus.request("edge/renewLease", { node }, signal);
    } catch (error) {
      if (signal.aborted) return;
      answer = { kind: "leaseRefused", request, reason: toError(error).message };
    }
    await link.sendControl(answer).catch(() => undefined); // a node that hears nothing asks again
  }

  /** Another cloudcore has a newer session of the node. */
  #lose(session: NodeSession): void {
    this.#deps.logger.info({ node: session.node, epoch: session.epoch }, "the node has moved to another cloudcore");
    session.void();
    session.end("the node is at another cloudcore", CLOSE_REPLACED);
    this.#forget(session);
  }

  /** An administrator wants this node out, now. */
  #lockOut(node: string): void {
    const session = this.#sessions.get(node);
    session?.void();
    session?.end("locked out by an administrator", CLOSE_LOCKED_OUT);
    this.#deps.bus.notify("hub/lockedOut", { node });
  }

  async #watchEnd(session: NodeSession, logger: Logger): Promise<void> {
    const { reason, detail } = await session.link.closed;
    session.end("over", 1000);
    logger.info({ epoch: session.epoch, reason, detail }, "node disconnected");
    this.#forget(session);
  }

  #forget(session: NodeSession): void {
    this.#claims.release(session);
    if (this.#sessions.get(session.node) !== session) return;
    this.#sessions.delete(session.node);
    try {
      this.#deps.bus.notify("hub/session", { node: session.node, connected: false });
    } catch (error) {
      // Nobody waits for us here: it would end the process.
      this.#deps.logger.error({ node: session.node, error: toError(error) }, "a part failed when told of a session");
    }
  }

  /** A node that has no session here is skipped: once it connects, all is compared. */
  #send(message: Message): void {
    const { operation, resource = "" } = message.route;
    const session = this.#sessions.get(targetNode(resource) ?? "");
    if (session === undefined) return;
    const path = parseResource(trimNodePrefix(resource));
    if (operation === Operation.delete && path?.type === "node")
      session.end("the node was deleted from the cluster", CLOSE_NODE_DELETED);
    else session.push(message);
  }

  #receive(session: NodeSession, message: Message, bytes: number): void | Promise<void> {
    if (this.#sessions.get(session.node) !== session) return; // a session that was replaced says nothing any more
    session.heard();
    const [done, slower] = [this.#dispatch(session, message), session.tooFast(bytes)];
    if (done !== undefined || slower !== undefined) return session.readAfter(done, slower);
  }

  #dispatch(session: NodeSession, message: Message): Promise<void> | undefined {
    const to = routeUpstream(message);
    const { parent_msg_id: parent } = message.header;
    this.#metrics.received(to.to);
    switch (to.to) {
      case "session":
        if (to.what === "acknowledgement") session.acknowledge(parent);
        else if (to.what === "refusal") session.refuse(parent, message.content);
        return undefined;
      case "edge":
      case "device":
        return this.#work.take(session, `${to.to}/upstream`, message);
      case "digest":
        return this.#work.take(session, "sync/digest", message);
      case "kubernetesCa":
        return this.#answerKubernetesCa(session, message);
      case "csi":
        return this.#takeVolumeAnswer(session, message);
      case "nobody":
        this.#deps.logger.warn(
          { node: session.node, route: shownRoute(message), reason: to.reason },
          "message refused",
        );
        this.#work.skip(session, message);
        return undefined;
      default:
        this.#work.skip(session, message, to.to);
        return undefined;
    }
  }

  /** Nobody repeats it: whoever waits for it has given up by then. */
  async #takeVolumeAnswer(session: NodeSession, message: Message): Promise<void> {
    const { bus } = this.#deps;
    const answers = bus.answers("volume/answer");
    if (answers) await bus.request("volume/answer", { node: session.node, message }, session.signal);
    this.#work.skip(session, message, answers ? undefined : "csi");
  }

  async #answerKubernetesCa(session: NodeSession, message: Message): Promise<void> {
    if (this.#kubernetesCa === "") {
      try {
        const { data } = await this.#deps.kube.get(CONFIG_MAPS, KUBERNETES_CA, this.signal);
        this.#kubernetesCa = data?.["ca.crt"] ?? "";
      } catch (error) {
        this.#deps.logger.warn(
          { error: toError(error) },
          "the cluster's CA cannot be read; the edge gets an empty one",
        );
      }
    }
    session.push(kubernetesCaAnswer(session.node, message, this.#kubernetesCa));
  }

  #sweep(): void {
    this.#claims.sweep();
    for (const session of this.#sessions.values()) {
      if (session.silentMs <= this.#config.keepaliveMs) continue;
      session.end(`nothing heard for ${Math.round(session.silentMs / 1000)} s`, CLOSE_SILENT);
    }
  }

  protected override async stop(): Promise<void> {
    const closing = [...this.#sessions.values()].map((session) => {
      session.end("cloudcore is stopping", 1001);
      session.void();
      return session.link.closed;
    });
    await this.#scope.disposeAsync();
    await Promise.all(closing);
  }
}
