import { randomUUID } from "node:crypto";
import {
  acknowledge,
  type ChannelAgreement,
  ChannelHeader,
  CONNECTION_USE_MESSAGES,
  type ControlFrame,
  DEFAULT_PROJECT_ID,
  formatOffer,
  KEDGE_CHANNEL_HEADER,
  keepalive,
  type Message,
  parseAgreement,
  requiresAck,
} from "@kedge/protocol";
import { silentLogger } from "@kedge/runtime";
import { connectWebSocket, type LinkClosed, type WebSocketLink } from "@kedge/transport";
import type { EdgeIdentity } from "./stock-edge.ts";

const TIMEOUT_MS = 30_000;

/** Plays an edge of ours, as far as the cloud can tell: numbers what it says, and hears what is done. */
export class AgreedEdge implements AsyncDisposable {
  readonly received: Message[] = [];
  readonly frames: ControlFrame[] = [];
  readonly agreement: ChannelAgreement;
  readonly link: WebSocketLink;
  /** Which of the messages that must be are acknowledged. */
  acknowledges: (message: Message) => boolean = () => true;
  #applied: number;
  readonly #waiting = new Set<() => void>();

  private constructor(link: WebSocketLink, agreement: ChannelAgreement) {
    this.link = link;
    this.agreement = agreement;
    this.#applied = agreement.applied;
    link.agree({
      onControl: (frame) => {
        this.frames.push(frame);
        if (frame.kind === "applied") this.#applied = frame.upTo;
        this.#look();
      },
    });
    link.receive((message) => {
      this.received.push(message);
      if (requiresAck(message) && this.acknowledges(message))
        void link.send(acknowledge(message)).catch(() => undefined);
      this.#look();
    });
    void link.closed.then(() => this.#look());
    void link.send(keepalive()).catch(() => undefined);
  }

  /** @throws if the cloud refuses, or does not agree. */
  static async connect(
    port: number,
    { node, ca, cert, key }: EdgeIdentity,
    { stream, sent = 0 }: { stream: string; sent?: number } = { stream: randomUUID() },
  ): Promise<AgreedEdge> {
    const link = await connectWebSocket(
      {
        url: `wss://127.0.0.1:${port}/${DEFAULT_PROJECT_ID}/${node}/events`,
        headers: {
          [ChannelHeader.nodeId]: node,
          [ChannelHeader.projectId]: DEFAULT_PROJECT_ID,
          [ChannelHeader.connectionUse]: CONNECTION_USE_MESSAGES,
          [KEDGE_CHANNEL_HEADER]: formatOffer({ stream, sent }),
        },
        tls: { ca, cert, key },
        handshakeTimeoutMs: TIMEOUT_MS,
        logger: silentLogger,
        writeTimeoutMs: TIMEOUT_MS,
        pingAfterMs: 0,
      },
      AbortSignal.timeout(TIMEOUT_MS),
    );
    const agreement = parseAgreement(link.responseHeaders[KEDGE_CHANNEL_HEADER.toLowerCase()]);
    if (agreement === undefined) {
      link.terminate("the cloud did not agree");
      throw new Error("the cloud did not agree");
    }
    return new AgreedEdge(link, agreement);
  }

  /** The cloud has done all up to this number. */
  get applied(): number {
    return this.#applied;
  }

  get closed(): Promise<LinkClosed> {
    return this.link.closed;
  }

  /** Says something with its number in the stream. */
  say(message: Message, seq: number): void {
    void this.link.send({ ...message, header: { ...message.header, seq } }).catch(() => undefined);
  }

  control(frame: ControlFrame): void {
    void this.link.sendControl(frame).catch(() => undefined);
  }

  /** Resolves once `holds`; looked at whenever something arrives. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!holds() && this.link.open) return;
        this.#waiting.delete(look);
        if (holds()) resolve();
        else reject(new Error("the link ended before"));
      };
      this.#waiting.add(look);
    });
  }

  untilApplied(number: number): Promise<void> {
    return this.until(() => this.#applied >= number);
  }

  #look(): void {
    for (const look of this.#waiting) look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.link.terminate("the test is over");
    await this.link.closed;
  }
}
