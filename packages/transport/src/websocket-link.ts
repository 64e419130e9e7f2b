import {
  type ControlFrame,
  decodeControlFrame,
  decodeMessage,
  encodeControlFrame,
  encodeMessage,
  type Message,
  ProtocolError,
} from "@kedge/protocol";
import { deferred, type Logger, toError } from "@kedge/runtime";
import type { WebSocket } from "ws";
import { LinkError, type LinkClosed } from "./link-error.ts";

/** Sends that wait for the kernel to take their bytes; more are refused. */
export const SENDS_WAITING_MAX = 4_096;
/** The same in characters of their texts; one that waits alone may be larger. */
const SENDS_WAITING_CHARACTERS_MAX = 64 * 1024 * 1024;
/** When this much waits in the socket, the next send waits until it is written. */
const SOCKET_BUFFER_BYTES_MAX = 1024 * 1024;
/** When this many received messages wait for the handler, we stop reading from the socket. */
const RECEIVED_WAITING_MAX = 64;
/** Messages that cannot be read, in one connection; a peer with more does not speak our protocol. */
export const BAD_MESSAGES_MAX = 16;
/** Beyond the write timeout, a message has the time that it takes at this rate. */
const WRITE_BYTES_PER_SECOND_MIN = 16 * 1024;
/** How long a closing handshake may take. */
const CLOSE_MS = 2_000;

export interface WebSocketLinkOptions {
  readonly logger: Logger;
  /** A small message that the peer does not take within this time ends the link (W34); a large one has more. */
  readonly writeTimeoutMs: number;
  /**
   * If the peer sends nothing for this long it gets a ping; if it then stays silent for as long again the link ends.
   * 0 switches this off. Any WebSocket peer answers pings.
   */
  readonly pingAfterMs: number;
}

/** What a link calls with each message, in order. While it waits, the next waits; the peer feels it when many do. */
export type MessageHandler = (message: Message) => void | Promise<void>;

/** What our own ends have agreed on in the headers that open the channel: `docs/adr/0006`. */
export interface LinkAgreement {
  /** Gets what the peer says beside messages, in order with them. */
  readonly onControl: (frame: ControlFrame) => void;
}

/** Lower-case names. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

const NO_HEADERS: ResponseHeaders = {};

/** One WebSocket that carries messages; the same at both ends. */
export class WebSocketLink implements AsyncDisposable {
  /** Resolves when the link is over; never rejects. */
  readonly closed: Promise<LinkClosed>;
  /** At the end that dialled: those of the answer that opened the channel. */
  readonly responseHeaders: ResponseHeaders;
  readonly #socket: WebSocket;
  readonly #options: WebSocketLinkOptions;
  readonly #closed = deferred<LinkClosed>();
  readonly #received: (string | Uint8Array)[] = [];
  readonly #waiting: { data: string | Uint8Array; done: PromiseWithResolvers<void> }[] = [];
  #waitingCharacters = 0;
  #agreement: LinkAgreement | undefined;
  #ending: LinkClosed | undefined;
  #over = false;
  #handler: MessageHandler | undefined;
  #handling = false;
  #badMessages = 0;
  readonly #inSocket: number[] = [];
  #bytesIn = 0;
  #bytesOut = 0;
  #writeTimer: NodeJS.Timeout | undefined;
  #pingTimer: NodeJS.Timeout | undefined;
  #heard = true;
  #pinged = false;
  readonly #confirming: { readonly number: number; readonly done: PromiseWithResolvers<void> }[] = [];
  #confirmations = 0;

  /** @param socket an open one, with `maxPayload` set; the link owns it from now on. */
  constructor(socket: WebSocket, options: WebSocketLinkOptions, responseHeaders = NO_HEADERS) {
    this.responseHeaders = responseHeaders;
    this.#socket = socket;
    this.#options = options;
    this.closed = this.#closed.promise;
    // Until somebody listens, what arrives stays in the kernel.
    socket.pause();
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary));
    socket.on("ping", () => void (this.#heard = true));
    socket.on("pong", (data) => this.#pong(data.toString()));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", (code, reason) => this.#end(code, reason.toString()));
    if (options.pingAfterMs > 0) this.#pingTimer = setInterval(() => this.#checkPeer(), options.pingAfterMs);
  }

  /** Whether the link still carries messages. */
  get open(): boolean {
    return this.#ending === undefined && !this.#over;
  }

  /** Bytes of messages taken from, and given to, the peer. */
  get traffic(): { readonly bytesIn: number; readonly bytesOut: number } {
    return { bytesIn: this.#bytesIn, bytesOut: this.#bytesOut };
  }

  /** Sends that wait for room in the socket. */
  get sendsWaiting(): number {
    return this.#waiting.length;
  }

  /** From now on `handler` gets every message. A handler that throws ends the link. May be called once. */
  receive(handler: MessageHandler): void {
    this.#handler = handler;
    if (!this.#over) this.#socket.resume();
  }

  /**
   * Both ends are ours and have said so: from now on binary frames are our own kinds, and {@link sendControl} works.
   * Call it before {@link receive}. Without it, a binary frame is a message in JSON, as with stock peers.
   */
  agree(agreement: LinkAgreement): void {
    this.#agreement = agreement;
  }

  /**
   * Says something beside the messages, in order with them. Resolves as {@link send} does.
   *
   * @throws {LinkError} as {@link send}; `NotAgreed`: the peer would not understand.
   */
  sendControl(frame: ControlFrame): Promise<void> {
    if (this.#agreement === undefined)
      return Promise.reject(new LinkError("the peer has not agreed to control frames", { code: "NotAgreed" }));
    return this.#sendData(encodeControlFrame(frame));
  }

  /**
   * Sends in the order of calls. Resolves once the kernel has the bytes, which says nothing about the peer.
   *
   * @throws {LinkError} `NotConnected`: the link ended before. `QueueFull`: {@link SENDS_WAITING_MAX} wait already.
   * @throws {ProtocolError} `MessageTooLarge`
   */
  send(message: Message): Promise<void> {
    try {
      return this.#sendData(encodeMessage(message));
    } catch (error) {
      return Promise.reject(toError(error));
    }
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
    this.#socket.ping(String(this.#confirmations));
    return done.promise;
  }

  /** A peer may answer only the last of several pings. Our other pings are empty: number 0. */
  #pong(text: string): void {
    this.#heard = true;
    const number = Number(text);
    while ((this.#confirming[0]?.number ?? Infinity) <= number) this.#confirming.shift()?.done.resolve();
  }

  #sendData(data: string | Uint8Array): Promise<void> {
    if (!this.open) return Promise.reject(notConnected());
    const tooMuch = this.#waiting.length > 0 && this.#waitingCharacters + data.length > SENDS_WAITING_CHARACTERS_MAX;
    if (tooMuch || this.#waiting.length >= SENDS_WAITING_MAX)
      return Promise.reject(
        new LinkError(`${this.#waiting.length} messages wait to be sent already: the peer does not read`, {
          code: "QueueFull",
          waiting: this.#waiting.length,
          waitingMax: SENDS_WAITING_MAX,
        }),
      );
    const done = deferred();
    this.#waiting.push({ data, done });
    this.#waitingCharacters += data.length;
    this.#fillSocket();
    return done.promise;
  }

  #fillSocket(): void {
    while (this.#socket.bufferedAmount < SOCKET_BUFFER_BYTES_MAX) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const { data, done } = next;
      this.#waitingCharacters -= data.length;
      this.#inSocket.push(data.length);
      if (this.#inSocket.length === 1) this.#watchOldestWrite();
      this.#socket.send(data, (error) => this.#written(done, error));
    }
  }

  #written(done: PromiseWithResolvers<void>, error: Error | null | undefined): void {
    const bytes = this.#inSocket.shift() ?? 0;
    if (error instanceof Error) return done.reject(notConnected(error));
    this.#bytesOut += bytes;
    done.resolve();
    this.#watchOldestWrite();
    if (this.open) this.#fillSocket();
  }

  /** Gives the oldest unwritten message its time: a large one on a slow link needs more. */
  #watchOldestWrite(): void {
    clearTimeout(this.#writeTimer);
    const [oldest] = this.#inSocket;
    if (oldest === undefined) return;
    const limitMs = this.#options.writeTimeoutMs + (oldest / WRITE_BYTES_PER_SECOND_MIN) * 1_000;
    const detail = `a message of ${oldest} bytes could not be written within ${Math.round(limitMs)} ms`;
    this.#writeTimer = setTimeout(() => this.#terminate("writeTimeout", detail), limitMs);
  }

  #checkPeer(): void {
    // While we do not read, silence is our own doing.
    if (this.#heard || this.#socket.isPaused) {
      this.#heard = false;
      this.#pinged = false;
    } else if (this.#pinged) {
      this.#terminate(
        "peerSilent",
        `nothing was heard for ${2 * this.#options.pingAfterMs} ms, not even an answer to a ping`,
      );
    } else {
      this.#pinged = true;
      this.#socket.ping();
    }
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#heard = true;
    this.#bytesIn += data.length;
    if (this.#ending !== undefined) return;
    this.#received.push(isBinary ? data : data.toString("utf8"));
    if (this.#received.length >= RECEIVED_WAITING_MAX) this.#socket.pause();
    if (!this.#handling) void this.#handleAll();
  }

  async #handleAll(): Promise<void> {
    this.#handling = true;
    try {
      for (let data = this.#received.shift(); data !== undefined && this.open; data = this.#received.shift()) {
        if (this.#received.length < RECEIVED_WAITING_MAX / 2 && this.#socket.isPaused) this.#socket.resume();
        const message = this.#read(data);
        if (message === undefined) continue;
        const handled = this.#handler?.(message);
        if (handled !== undefined) await handled;
      }
    } catch (error) {
      this.#options.logger.error({ error: toError(error) }, "the link's message handler failed; closing the link");
      this.#close({ reason: "handlerFailed", detail: toError(error).message }, 1011, "internal error");
    } finally {
      this.#handling = false;
    }
  }

  /** A message that cannot be read costs only itself, until there are too many. */
  #read(data: string | Uint8Array): Message | undefined {
    try {
      if (this.#agreement === undefined || typeof data === "string") return decodeMessage(data);
      this.#agreement.onControl(decodeControlFrame(data));
      return undefined;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#badMessages += 1;
      this.#options.logger.warn({ error, badMessages: this.#badMessages }, "dropped a message that cannot be read");
      if (this.#badMessages >= BAD_MESSAGES_MAX)
        this.#close({ reason: "badMessages", detail: error.message }, 1008, "too many bad messages");
      return undefined;
    }
  }

  #fail(error: Error): void {
    const code = (error as { code?: string }).code;
    if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH")
      this.#ending ??= { reason: "messageTooLarge", detail: error.message };
    else if (code?.startsWith("WS_ERR_") === true) this.#ending ??= { reason: "badMessages", detail: error.message };
    else this.#ending ??= { reason: "connectionLost", detail: error.message };
  }

  #terminate(reason: LinkClosed["reason"], detail: string): void {
    this.#ending ??= { reason, detail };
    this.#socket.terminate();
  }

  #close(closed: LinkClosed, code: number, text: string): void {
    this.#ending ??= closed;
    this.#socket.resume(); // else the peer's part of the closing handshake is never read
    this.#socket.close(code, text);
    setTimeout(() => this.#socket.terminate(), CLOSE_MS).unref();
  }

  #end(code: number, text: string): void {
    this.#over = true;
    clearInterval(this.#pingTimer);
    clearTimeout(this.#writeTimer);
    this.#received.length = 0;
    for (const { done } of [...this.#waiting.splice(0), ...this.#confirming.splice(0)]) done.reject(notConnected());
    const byPeer = code !== 1006; // 1006: the connection broke without a closing handshake
    this.#ending ??= {
      reason: byPeer ? "closedByPeer" : "connectionLost",
      detail: text === "" ? `WebSocket close code ${code}` : `WebSocket close code ${code}: ${text}`,
    };
    this.#closed.resolve(this.#ending);
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

function notConnected(cause?: Error): LinkError {
  return new LinkError("the link to the peer is closed", { code: "NotConnected" }, { cause });
}
