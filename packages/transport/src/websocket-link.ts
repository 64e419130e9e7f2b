import type { Socket } from "node:net";
import type { ControlFrame, Message } from "@kedge/protocol";
import { deferred } from "@kedge/runtime";
import type { WebSocket } from "ws";
import { IncomingQueue, type LinkAgreement, type MessageHandler } from "./incoming-queue.ts";
import type { LinkEnd } from "./link-end.ts";
import { LinkError, type LinkClosed } from "./link-error.ts";
import { notConnected, OutgoingQueue } from "./outgoing-queue.ts";
import { frameBytes, PING_TRAFFIC } from "./traffic-type.ts";

/** How long a closing handshake may take. */
const CLOSE_MS = 2_000;

/** Pings and pongs of the peer between two looks at the link: more have no purpose but to keep us busy. */
const PINGS_PER_LOOK_MAX = 1_000;

/** Lower-case names. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

const NO_HEADERS: ResponseHeaders = {};

/** One WebSocket that carries messages; the same at both ends. */
export class WebSocketLink implements AsyncDisposable {
  /** At the end that dialled: those of the answer that opened the channel. */
  readonly responseHeaders: ResponseHeaders;
  readonly #socket: WebSocket;
  readonly #connection: Socket;
  readonly #end: LinkEnd;
  readonly #incoming: IncomingQueue;
  readonly #outgoing: OutgoingQueue;
  readonly #closed = deferred<LinkClosed>();
  #ending: LinkClosed | undefined;
  #over = false;
  #bytesHeard = 0;
  #silentLooks = 0;
  #pings = 0;
  readonly #confirming: { readonly number: number; readonly done: PromiseWithResolvers<void> }[] = [];
  #confirmations = 0;

  /**
   * @param socket an open one, with `maxPayload` set and its own check of UTF-8 off; the link owns it from now on.
   * @param connection what the socket speaks over.
   */
  constructor(socket: WebSocket, connection: Socket, end: LinkEnd, responseHeaders = NO_HEADERS) {
    this.responseHeaders = responseHeaders;
    this.#socket = socket;
    this.#connection = connection;
    this.#end = end;
    this.#outgoing = new OutgoingQueue(socket, end);
    this.#incoming = new IncomingQueue(socket, end, (closed, code, text) => this.#close(closed, code, text));
    // Until somebody listens, what arrives stays in the kernel.
    socket.pause();
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#incoming.push(data, isBinary));
    socket.on("ping", (data) => this.#pinged(data));
    socket.on("pong", (data) => this.#ponged(data));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", (code, reason) => this.#finish(code, reason.toString()));
    end.sweep.add(this);
  }

  /** Resolves when the link is over; never rejects. */
  get closed(): Promise<LinkClosed> {
    return this.#closed.promise;
  }

  /** Whether the link still carries messages. */
  get open(): boolean {
    return this.#ending === undefined && !this.#over;
  }

  /** Bytes of frames with messages, on the wire: taken from, and given to, the peer. */
  get traffic(): { readonly bytesIn: number; readonly bytesOut: number } {
    return { bytesIn: this.#incoming.bytesRead, bytesOut: this.#outgoing.bytesWritten };
  }

  /** Sends that wait for room in the socket. */
  get sendsWaiting(): number {
    return this.#outgoing.length;
  }

  /** From now on `handler` gets every message. A handler that throws ends the link. May be called once. */
  receive(handler: MessageHandler): void {
    this.#incoming.start(handler);
    if (!this.#over) this.#socket.resume();
  }

  /**
   * Both ends are ours and have said so: from now on binary frames are our own kinds, messages of more than a kilobyte
   * travel compressed, and {@link sendControl} works. Call it before {@link receive}. Without it, a binary frame is a
   * message in JSON, as with stock peers.
   */
  agree(agreement: LinkAgreement): void {
    this.#incoming.agreement = agreement;
    this.#outgoing.compresses = true;
  }

  /**
   * Says something beside the messages, in order with them. Resolves as {@link send} does.
   *
   * @throws {LinkError} as {@link send}; `NotAgreed`: the peer would not understand.
   */
  sendControl(frame: ControlFrame): Promise<void> {
    if (this.#incoming.agreement === undefined)
      return Promise.reject(new LinkError("the peer has not agreed to control frames", { code: "NotAgreed" }));
    return this.#outgoing.sendControl(frame);
  }

  /**
   * Sends in the order of calls. Resolves once the kernel has the bytes, which says nothing about the peer.
   *
   * @throws {LinkError} `NotConnected`: the link ended before. `QueueFull`: too many wait already.
   * @throws {ProtocolError} `MessageTooLarge`
   */
  send(message: Message): Promise<void> {
    return this.#outgoing.sendMessage(message);
  }

  /**
   * Resolves once the peer has read all that was written before: it answered a ping that came after.
   *
   * @throws {LinkError} `NotConnected`: the link ended before, and nobody knows.
   */
  confirm(): Promise<void> {
    if (!this.open) return Promise.reject(notConnected());
    const done = deferred();
    this.#confirmations += 1;
    this.#confirming.push({ number: this.#confirmations, done });
    this.#ping(String(this.#confirmations));
    return done.promise;
  }

  #ping(text: string): void {
    this.#countPing("out", text.length);
    this.#socket.ping(text);
  }

  #tooManyPings(): void {
    this.#pings += 1;
    if (this.#pings === PINGS_PER_LOOK_MAX)
      this.#terminate("badMessages", `the peer pings more than ${PINGS_PER_LOOK_MAX} times in a moment`);
  }

  /** The socket has answered already. */
  #pinged({ length }: Buffer): void {
    this.#tooManyPings();
    this.#countPing("in", length);
    this.#countPing("out", length);
  }

  /** A peer may answer only the last of several pings. Our other pings are empty: number 0. */
  #ponged(data: Buffer): void {
    this.#tooManyPings();
    this.#countPing("in", data.length);
    const number = Number(data.toString());
    while ((this.#confirming[0]?.number ?? Infinity) <= number) this.#confirming.shift()?.done.resolve();
  }

  #countPing(direction: "in" | "out", bytes: number): void {
    const { options, masks } = this.#end;
    options.onTraffic?.(direction, PING_TRAFFIC, frameBytes(bytes, (direction === "out") === masks));
  }

  /** Called by the timer of all links of this end. */
  sweep(): void {
    this.#pings = 0;
    const stuck = this.#outgoing.sweep();
    if (stuck !== undefined) return this.#terminate("writeTimeout", stuck);
    const { pingLooks, endLooks, options } = this.#end;
    if (options.pingAfterMs === 0) return;
    const { bytesRead } = this.#connection;
    // While we do not read, silence is our own doing. Any byte counts: a large message may take long to arrive.
    if (bytesRead !== this.#bytesHeard || this.#socket.isPaused) {
      this.#bytesHeard = bytesRead;
      this.#silentLooks = 0;
      return;
    }
    this.#silentLooks += 1;
    if (this.#silentLooks === pingLooks) this.#ping("");
    if (this.#silentLooks >= endLooks) {
      const silentMs = this.#silentLooks * this.#end.sweep.everyMs;
      this.#terminate("peerSilent", `nothing was heard for ${silentMs} ms, not even an answer to a ping`);
    }
  }

  #fail(error: Error): void {
    const code = (error as { code?: string }).code;
    const reason =
      code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
        ? "messageTooLarge"
        : code?.startsWith("WS_ERR_") === true
          ? "badMessages"
          : "connectionLost";
    this.#endWith({ reason, detail: error.message });
  }

  /** Who ends the link first gives the reason. */
  #endWith(closed: LinkClosed): void {
    this.#ending ??= closed;
    this.#incoming.end();
    this.#outgoing.end();
  }

  #terminate(reason: LinkClosed["reason"], detail: string): void {
    this.#endWith({ reason, detail });
    this.#socket.terminate();
  }

  #close(closed: LinkClosed, code: number, text: string): void {
    this.#endWith(closed);
    this.#socket.resume(); // else the peer's part of the closing handshake is never read
    this.#socket.close(code, text);
    setTimeout(() => this.#socket.terminate(), CLOSE_MS).unref();
  }

  #finish(code: number, text: string): void {
    this.#over = true;
    this.#end.sweep.delete(this);
    const byPeer = code !== 1006; // 1006: the connection broke without a closing handshake
    this.#endWith({
      reason: byPeer ? "closedByPeer" : "connectionLost",
      detail: text === "" ? `WebSocket close code ${code}` : `WebSocket close code ${code}: ${text}`,
    });
    for (const { done } of this.#confirming.splice(0)) done.reject(notConnected());
    if (this.#ending !== undefined) this.#closed.resolve(this.#ending);
  }

  /** Closes in good order: waiting sends are refused, the peer is told `reason`. @returns when the link is over. */
  async close(reason: string, code = 1000): Promise<void> {
    if (!this.#over) this.#close({ reason: "closedByUs", detail: reason }, code, reason.slice(0, CLOSE_TEXT_CHARS_MAX));
    await this.closed;
  }

  /** Cuts the connection at once. */
  terminate(reason: string): void {
    if (!this.#over) this.#terminate("closedByUs", reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close("going away", 1001);
  }
}

/** A close frame has room for 123 bytes of text. */
const CLOSE_TEXT_CHARS_MAX = 40;
