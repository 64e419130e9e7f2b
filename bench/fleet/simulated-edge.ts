import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Lease, Pod } from "@kedge/kube";
import {
  acknowledge,
  ChannelHeader,
  CONNECTION_USE_MESSAGES,
  createLease,
  DEFAULT_PROJECT_ID,
  formatOffer,
  KEDGE_CHANNEL_HEADER,
  keepalive,
  type Message,
  parseAgreement,
  patchNodeStatus,
  patchPodStatus,
  readObjectResp,
  registerNode,
  requiresAck,
  updateLease,
} from "@kedge/protocol";
import { hasCode, type Logger } from "@kedge/runtime";
import { connectWebSocket, LinkError, type TlsIdentity, type WebSocketLink } from "@kedge/transport";
import { edgeNode, nodeLease, nodeStatus, runningStatus } from "./simulated-objects.ts";

const LEASE_MS = 10_000;
const KEEPALIVE_MS = 15_000;
/** Also how long a handshake may take. */
const TIMEOUT_MS = 60_000;
/** Waits between tries to connect, as the agent's: {@link RETRY_MS}, doubled up to the maximum; a part is random. */
const RETRY_MS = 500;
const RETRY_MS_MAX = 30_000;
const JITTER = 0.5;

/** What edges say to the cloud: as KubeEdge's do, or what ours agree on with a cloud of ours. */
export type EdgeProtocol = "stock" | "kedge";

export interface SimulatedEdgeOptions {
  readonly node: string;
  /** `host:port` of CloudHub. */
  readonly server: string;
  /** Of this host, to connect from. */
  readonly localAddress?: string;
  readonly tls: TlsIdentity;
  readonly protocol: EdgeProtocol;
  readonly logger: Logger;
  /** Hears of each pod after it was acknowledged. */
  readonly onPod: (pod: Pod) => void;
  /** Hears of links that ended though nobody here cut them; the edge connects again. */
  readonly onLost: (why: string) => void;
}

/** Speaks to cloudcore as an edge does, but runs nothing: what it is told to store it acknowledges at once. */
export class SimulatedEdge {
  readonly node: string;
  readonly #options: SimulatedEdgeOptions;
  readonly #asked = new Map<string, (answer: Message) => void>();
  readonly #running = new Set<string>();
  readonly #stream = randomUUID();
  #link: WebSocketLink | undefined;
  #agreed = false;
  #sequence = 0;
  #lease: Lease | undefined;
  #leaseRequests = 0;
  #keepsAlive = false;

  constructor(options: SimulatedEdgeOptions) {
    this.node = options.node;
    this.#options = options;
  }

  get connected(): boolean {
    return this.#link?.open === true;
  }

  /** Opens the link, for the first time or again, however often that takes. @throws when `signal` aborts. */
  async connect(signal: AbortSignal): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        return this.#use(await this.#open(signal));
      } catch (error) {
        if (signal.aborted) throw error;
        await delay(waitMs(error, tries), undefined, { signal });
      }
    }
  }

  #open(signal: AbortSignal): Promise<WebSocketLink> {
    const { server, localAddress, tls, protocol, logger } = this.#options;
    const offer = { [KEDGE_CHANNEL_HEADER]: formatOffer({ stream: this.#stream, sent: this.#sequence }) };
    return connectWebSocket(
      {
        url: `wss://${server}/${DEFAULT_PROJECT_ID}/${this.node}/events`,
        headers: {
          [ChannelHeader.nodeId]: this.node,
          [ChannelHeader.projectId]: DEFAULT_PROJECT_ID,
          [ChannelHeader.connectionUse]: CONNECTION_USE_MESSAGES,
          ...(protocol === "kedge" && offer),
        },
        tls,
        ...(localAddress !== undefined && { localAddress }),
        handshakeTimeoutMs: TIMEOUT_MS,
        logger,
        writeTimeoutMs: TIMEOUT_MS,
        pingAfterMs: 0,
      },
      signal,
    );
  }

  #use(link: WebSocketLink): void {
    this.#link = link;
    this.#agreed = parseAgreement(link.responseHeaders[KEDGE_CHANNEL_HEADER.toLowerCase()]) !== undefined;
    if (this.#agreed) link.agree({ onControl: () => undefined });
    link.receive((message) => this.#receive(link, message));
    void link.closed.then(({ reason, detail }) => {
      if (this.#link !== link) return; // we cut it
      this.#link = undefined;
      this.#options.onLost(`${reason}: ${detail}`);
    });
    this.#send(keepalive());
    if (this.#keepsAlive) return;
    this.#keepsAlive = true;
    setInterval(() => this.#send(keepalive()), KEEPALIVE_MS * (0.9 + 0.2 * Math.random()));
  }

  /** Registers the node, reports it Ready, and begins to renew its lease. */
  async register(): Promise<void> {
    await this.#ask(registerNode(edgeNode(this.node))).catch((error: unknown) => {
      if (!hasCode(error, "AlreadyExists")) throw error;
    });
    const status = { status: nodeStatus(new Date().toISOString()) };
    await this.#ask(patchNodeStatus(this.node, JSON.stringify(status)));
    this.#lease = await this.#ask<Lease>(createLease(nodeLease(this.node, undefined, Date.now())));
    setTimeout(() => setInterval(() => void this.#renewLease(), LEASE_MS), Math.random() * LEASE_MS);
  }

  async #renewLease(): Promise<void> {
    try {
      if (this.#agreed) {
        this.#leaseRequests += 1;
        await this.#link?.sendControl({ kind: "renewLease", request: this.#leaseRequests });
      } else this.#lease = await this.#ask<Lease>(updateLease(nodeLease(this.node, this.#lease, Date.now())));
    } catch (error) {
      this.#options.logger.debug({ node: this.node, error }, "the lease was not renewed");
    }
  }

  async #ask<T extends object>(message: Message): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<Message>();
    this.#asked.set(message.header.msg_id, resolve);
    this.#send(message);
    return readObjectResp((await promise).content) as T;
  }

  /** A message that is lost with its link is lost: what is measured does not depend on it. */
  #send(message: Message): void {
    this.#link?.send(message).catch(() => undefined);
  }

  #receive(link: WebSocketLink, message: Message): void {
    const { parent_msg_id: parent = "" } = message.header;
    const asked = this.#asked.get(parent);
    this.#asked.delete(parent);
    asked?.(message);
    if (!requiresAck(message)) return;
    link.send(acknowledge(message)).catch(() => undefined);
    const [, type] = (message.route.resource ?? "").split("/");
    if (type !== "pod" || message.route.operation === "delete") return;
    const pod = message.content as Pod;
    this.#options.onPod(pod);
    this.#reportRunning(pod);
  }

  /** Once, as if its container had started. */
  #reportRunning({ metadata, spec }: Pod): void {
    const { namespace, name = "", uid = "" } = metadata ?? {};
    if (this.#running.has(uid)) return;
    this.#running.add(uid);
    const status = runningStatus(spec?.containers ?? [], new Date().toISOString());
    const message = patchPodStatus({ namespace, name }, JSON.stringify({ metadata: { uid }, status }));
    if (!this.#agreed) return this.#send(message);
    this.#sequence += 1;
    this.#send({ ...message, header: { ...message.header, seq: this.#sequence } });
  }

  /** Cuts the connection as a broken network does. */
  async cut(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    this.#asked.clear();
    link?.terminate("cut");
    await link?.closed;
  }
}

/** What the server says goes before all else. */
function waitMs(error: unknown, tries: number): number {
  if (error instanceof LinkError && error.details.code === "Refused" && error.details.retryAfterSeconds !== undefined)
    return error.details.retryAfterSeconds * 1000 * (1 + JITTER * Math.random());
  return Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** tries) * (1 - JITTER * Math.random());
}
