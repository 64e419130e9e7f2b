import { isUtf8 } from "node:buffer";
import {
  type ControlFrame,
  decodeControlFrame,
  decodeMessage,
  FRAME_COMPRESSED,
  type Message,
  ProtocolError,
} from "@kedge/protocol";
import { toError } from "@kedge/runtime";
import type { WebSocket } from "ws";
import type { LinkEnd } from "./link-end.ts";
import type { LinkClosed } from "./link-error.ts";
import { CONTROL_TRAFFIC, frameBytes, trafficType, UNREADABLE_TRAFFIC } from "./traffic-type.ts";

/** When this many received messages wait for the handler, we stop reading from the socket. */
const RECEIVED_WAITING_MAX = 64;
/** The same in bytes; one that waits alone may be larger. */
const RECEIVED_WAITING_BYTES_MAX = 1024 * 1024;
/** Messages that cannot be read, within {@link BAD_MESSAGES_MS}; a peer with more does not speak our protocol. */
export const BAD_MESSAGES_MAX = 16;
const BAD_MESSAGES_MS = 60_000;

/**
 * What a link calls with each message, in order. While it waits, the next waits; the peer feels it when many do.
 *
 * @param bytes of the message's text, before it was compressed.
 */
export type MessageHandler = (message: Message, bytes: number) => void | Promise<void>;

/** What our own ends have agreed on in the headers that open the channel: `docs/adr/0006`. */
export interface LinkAgreement {
  /**
   * Gets what the peer says beside messages, in order with them. While it waits, the next waits; one that throws ends the
   * link: both as for messages.
   */
  readonly onControl: (frame: ControlFrame) => void | Promise<void>;
}

/** Closes the link: the reason, and what the peer is told. */
export type CloseLink = (closed: LinkClosed, code: number, text: string) => void;

/** Text, or the bytes of a binary frame. */
type Received = string | Buffer;

/** Reads what a socket receives, one after the other, and holds the socket when the handler is slow. */
export class IncomingQueue {
  /** Set when binary frames are our own kinds. */
  agreement: LinkAgreement | undefined;
  #handler: MessageHandler | undefined;
  readonly #socket: WebSocket;
  readonly #end: LinkEnd;
  readonly #close: CloseLink;
  readonly #received: Received[] = [];
  #receivedBytes = 0;
  #handling = false;
  #bad = 0;
  #badSinceMs = 0;
  #bytesRead = 0;
  /** Of the message that was read last. */
  #plainBytes = 0;
  #over = false;

  constructor(socket: WebSocket, end: LinkEnd, close: CloseLink) {
    this.#socket = socket;
    this.#end = end;
    this.#close = close;
  }

  /** Bytes on the wire of all messages that came. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  start(handler: MessageHandler): void {
    this.#handler = handler;
  }

  push(data: Buffer, isBinary: boolean): void {
    this.#bytesRead += frameBytes(data.length, !this.#end.masks);
    if (this.#over) return;
    if (!isBinary && !isUtf8(data)) {
      const notUtf8 = new ProtocolError("the peer sent a message that is not UTF-8", { code: "InvalidUtf8" });
      return this.#drop(notUtf8, data.length);
    }
    this.#received.push(isBinary ? data : data.toString("utf8"));
    this.#receivedBytes += data.length;
    if (this.#isFull(1)) this.#socket.pause();
    if (!this.#handling) void this.#handleAll();
  }

  #isFull(share: number): boolean {
    const { length } = this.#received;
    return length >= RECEIVED_WAITING_MAX * share || this.#receivedBytes >= RECEIVED_WAITING_BYTES_MAX * share;
  }

  async #handleAll(): Promise<void> {
    this.#handling = true;
    try {
      for (let data = this.#received.shift(); data !== undefined && !this.#over; data = this.#received.shift()) {
        const bytes = typeof data === "string" ? Buffer.byteLength(data) : data.length;
        this.#receivedBytes -= bytes;
        if (this.#socket.isPaused && !this.#isFull(1 / 2)) this.#socket.resume();
        let read: Message | ControlFrame;
        try {
          const reading = this.#read(data, bytes);
          read = reading instanceof Promise ? await reading : reading;
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          this.#drop(error, bytes);
          continue;
        }
        if (this.#over) return;
        const handled = "kind" in read ? this.agreement?.onControl(read) : this.#handler?.(read, this.#plainBytes);
        if (handled !== undefined) await handled;
      }
    } catch (error) {
      this.#end.options.logger.error({ error: toError(error) }, "the link's message handler failed; closing the link");
      this.#close({ reason: "handlerFailed", detail: toError(error).message }, 1011, "internal error");
    } finally {
      this.#handling = false;
    }
  }

  /** @throws {ProtocolError} also as a rejection */
  #read(data: Received, bytes: number): Message | ControlFrame | Promise<Message> {
    if (typeof data === "string" || this.agreement === undefined) return this.#decode(data, bytes);
    if (data[0] !== FRAME_COMPRESSED) {
      const frame = decodeControlFrame(data);
      this.#count(CONTROL_TRAFFIC, bytes);
      return frame;
    }
    const inflated = this.#end.compression.inflate(data);
    return Buffer.isBuffer(inflated)
      ? this.#decode(inflated, bytes)
      : inflated.then((plain) => this.#decode(plain, bytes));
  }

  #decode(data: Received, bytes: number): Message {
    const message = decodeMessage(data);
    this.#plainBytes = data.length;
    this.#count(trafficType(message), bytes);
    return message;
  }

  #count(type: string, bytes: number): void {
    this.#end.options.onTraffic?.("in", type, frameBytes(bytes, !this.#end.masks));
  }

  /** A message that cannot be read costs only itself, until there are too many in a short time. */
  #drop(error: ProtocolError, bytes: number): void {
    this.#count(UNREADABLE_TRAFFIC, bytes);
    const nowMs = performance.now();
    if (nowMs - this.#badSinceMs > BAD_MESSAGES_MS) {
      this.#bad = 0;
      this.#badSinceMs = nowMs;
    }
    this.#bad += 1;
    this.#end.options.logger.warn({ error, badMessages: this.#bad }, "dropped a message that cannot be read");
    if (this.#bad >= BAD_MESSAGES_MAX)
      this.#close({ reason: "badMessages", detail: error.message }, 1008, "too many bad messages");
  }

  /** The link is over: what waits is not handled any more. */
  end(): void {
    this.#over = true;
    this.#received.length = 0;
    this.#receivedBytes = 0;
  }
}
