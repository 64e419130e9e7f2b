import { createHash, type KeyObject } from "node:crypto";
import type { Lease, Pod } from "@kedge/kube";
import {
  acknowledge,
  ChannelHeader,
  CONNECTION_USE_MESSAGES,
  createLease,
  DEFAULT_PROJECT_ID,
  keepalive,
  type Message,
  patchNodeStatus,
  patchPodStatus,
  readObjectResp,
  registerNode,
  requiresAck,
  updateLease,
} from "@kedge/protocol";
import { hasCode, type Logger } from "@kedge/runtime";
import { connectWebSocket, type TlsIdentity, type WebSocketLink } from "@kedge/transport";
import { callCertificateApi } from "../packages/edge/src/edgehub/certificate-api.ts";
import { newCertificateRequest } from "../packages/edge/src/edgehub/certificate-request.ts";
import { parseJoinToken } from "../packages/edge/src/edgehub/join-token.ts";
import { edgeNode, nodeLease, nodeStatus, runningStatus } from "./simulated-objects.ts";

const LEASE_MS = 10_000;
const KEEPALIVE_MS = 15_000;
const TIMEOUT_MS = 60_000;

export interface SimulatedCloud {
  readonly address: string;
  readonly httpsPort: number;
  readonly cloudHubPort: number;
  readonly token: string;
}

/** Speaks to cloudcore as an edge does, but runs nothing: what it is told to store it acknowledges at once. */
export class SimulatedEdge {
  readonly node: string;
  readonly #cloud: SimulatedCloud;
  readonly #tls: TlsIdentity;
  readonly #logger: Logger;
  readonly #pod: (pod: Pod) => void;
  readonly #asked = new Map<string, (answer: Message) => void>();
  readonly #running = new Set<string>();
  #link: WebSocketLink | undefined;
  #lease: Lease | undefined;
  #timers: NodeJS.Timeout[] = [];

  private constructor(
    node: string,
    cloud: SimulatedCloud,
    tls: TlsIdentity,
    logger: Logger,
    onPod: (pod: Pod) => void,
  ) {
    this.node = node;
    this.#cloud = cloud;
    this.#tls = tls;
    this.#logger = logger;
    this.#pod = onPod;
  }

  /** Gets a certificate with the token. @param onPod hears of each pod after it was acknowledged. */
  static async join(
    node: string,
    cloud: SimulatedCloud,
    logger: Logger,
    onPod: (pod: Pod) => void,
  ): Promise<SimulatedEdge> {
    const { caHash, bearer } = parseJoinToken(cloud.token);
    const server = `https://${cloud.address}:${cloud.httpsPort}`;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const fetched = await callCertificateApi({ server, path: "/ca.crt", timeoutMs: TIMEOUT_MS }, signal);
    if (createHash("sha256").update(fetched.body).digest("hex") !== caHash)
      throw new Error(`${server} is not the cloud that the token is from`);
    const ca = pem("CERTIFICATE", fetched.body);
    const { csr, privateKey } = newCertificateRequest(node);
    const headers = { authorization: `Bearer ${bearer}`, NodeName: node };
    const call = { server, path: "/edge.crt", headers, body: csr, ca, timeoutMs: TIMEOUT_MS };
    const { httpStatus, body } = await callCertificateApi(call, signal);
    if (httpStatus !== 200) throw new Error(`${node} may not join: HTTP status ${httpStatus}: ${body.toString()}`);
    const tls = { ca, cert: pem("CERTIFICATE", body), key: keyPem(privateKey) };
    return new SimulatedEdge(node, cloud, tls, logger, onPod);
  }

  /** Opens the link, for the first time or again. */
  async connect(): Promise<void> {
    const { address, cloudHubPort } = this.#cloud;
    const link = await connectWebSocket(
      {
        url: `wss://${address}:${cloudHubPort}/${DEFAULT_PROJECT_ID}/${this.node}/events`,
        headers: {
          [ChannelHeader.nodeId]: this.node,
          [ChannelHeader.projectId]: DEFAULT_PROJECT_ID,
          [ChannelHeader.connectionUse]: CONNECTION_USE_MESSAGES,
        },
        tls: this.#tls,
        handshakeTimeoutMs: TIMEOUT_MS,
        logger: this.#logger,
        writeTimeoutMs: TIMEOUT_MS,
        pingAfterMs: 0,
      },
      AbortSignal.timeout(TIMEOUT_MS),
    );
    this.#link = link;
    link.receive((message) => this.#receive(link, message));
    void link.send(keepalive());
    if (this.#timers.length === 0)
      this.#timers = [setInterval(() => this.#send(keepalive()), KEEPALIVE_MS * (0.9 + 0.2 * Math.random()))];
  }

  /** Registers the node, reports it Ready, and begins to renew its lease. */
  async register(): Promise<void> {
    await this.#ask(registerNode(edgeNode(this.node))).catch((error: unknown) => {
      if (!hasCode(error, "AlreadyExists")) throw error;
    });
    const status = { status: nodeStatus(new Date().toISOString()) };
    await this.#ask(patchNodeStatus(this.node, JSON.stringify(status)));
    this.#lease = await this.#ask<Lease>(createLease(nodeLease(this.node, undefined, Date.now())));
    const first = setTimeout(() => {
      void this.#renewLease();
      this.#timers.push(setInterval(() => void this.#renewLease(), LEASE_MS));
    }, Math.random() * LEASE_MS);
    this.#timers.push(first);
  }

  async #renewLease(): Promise<void> {
    try {
      this.#lease = await this.#ask<Lease>(updateLease(nodeLease(this.node, this.#lease, Date.now())));
    } catch (error) {
      this.#logger.debug({ node: this.node, error }, "the lease was not renewed");
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
    this.#pod(pod);
    this.#reportRunning(pod);
  }

  /** Once, as if its container had started. */
  #reportRunning({ metadata, spec }: Pod): void {
    const { namespace, name = "", uid = "" } = metadata ?? {};
    if (this.#running.has(uid)) return;
    this.#running.add(uid);
    const status = runningStatus(spec?.containers ?? [], new Date().toISOString());
    this.#send(patchPodStatus({ namespace, name }, JSON.stringify({ metadata: { uid }, status })));
  }

  /** Cuts the connection as a broken network does. */
  async cut(): Promise<void> {
    this.#asked.clear();
    this.#link?.terminate("cut");
    await this.#link?.closed;
    this.#link = undefined;
  }
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function keyPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}
