import { type ControlFrame, encodeControlFrame, encodeMessage, type Message } from "@kedge/protocol";
import { deferred, toError } from "@kedge/runtime";
import type { WebSocket } from "ws";
import type { LinkEnd } from "./link-end.ts";
import { LinkError } from "./link-error.ts";
import { CONTROL_TRAFFIC, frameBytes, trafficType } from "./traffic-type.ts";

/** Sends that wait for the kernel to take their bytes; more are refused. */
export const SENDS_WAITING_MAX = 4_096;
/** The same in bytes; one that waits alone may be larger. */
const SENDS_WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** When this much waits in the socket, the next send waits until it is written. */
const SOCKET_BUFFER_BYTES_MAX = 1024 * 1024;
/** Beyond the write timeout, a message has the time that it takes at this rate. */
const WRITE_BYTES_PER_SECOND_MIN = 16 * 1024;

interface Outgoing {
  readonly type: string;
  /** What is sent; the message in plain while another thread compresses it. */
  data: Buffer;
  binary: boolean;
  compressing: boolean;
  readonly done: PromiseWithResolvers<void>;
}

/** Writes to a socket in the order of calls, no faster than the peer reads. */
export class OutgoingQueue {
  /** Whether the peer reads compressed messages. */
  compresses = false;
  readonly #socket: WebSocket;
  readonly #end: LinkEnd;
  readonly #waiting: Outgoing[] = [];
  #waitingBytes = 0;
  /** Given to the socket, and not taken by the kernel yet. */
  readonly #inSocket: Outgoing[] = [];
  /** Until the oldest of these has taken too long. */
  #sweepsLeft = 0;
  #bytesWritten = 0;
  #over = false;

  constructor(socket: WebSocket, end: LinkEnd) {
    this.#socket = socket;
    this.#end = end;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Bytes on the wire that the kernel has taken. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** @throws {LinkError} `NotConnected`, `QueueFull` @throws {ProtocolError} `MessageTooLarge` */
  sendMessage(message: Message): Promise<void> {
    try {
      return this.#send(Buffer.from(encodeMessage(message)), trafficType(message), false);
    } catch (error) {
      return Promise.reject(toError(error));
    }
  }

  /** @throws {LinkError} `NotConnected`, `QueueFull` */
  sendControl(frame: ControlFrame): Promise<void> {
    const bytes = encodeControlFrame(frame);
    return this.#send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), CONTROL_TRAFFIC, true);
  }

  #send(data: Buffer, type: string, binary: boolean): Promise<void> {
    if (this.#over) return Promise.reject(notConnected());
    const tooMuch = this.#waiting.length > 0 && this.#waitingBytes + data.length > SENDS_WAITING_BYTES_MAX;
    if (tooMuch || this.#waiting.length >= SENDS_WAITING_MAX)
      return Promise.reject(
        new LinkError(`${this.#waiting.length} messages wait to be sent already: the peer does not read`, {
          code: "QueueFull",
          waiting: this.#waiting.length,
          waitingMax: SENDS_WAITING_MAX,
        }),
      );
    const outgoing: Outgoing = { type, data, binary, compressing: false, done: deferred() };
    if (this.compresses && !binary) this.#compress(outgoing);
    this.#waiting.push(outgoing);
    this.#waitingBytes += outgoing.data.length;
    this.#fillSocket();
    return outgoing.done.promise;
  }

  #compress(outgoing: Outgoing): void {
    const frame = this.#end.compression.compress(outgoing.data);
    if (frame === undefined) return;
    if (Buffer.isBuffer(frame)) {
      outgoing.data = frame;
      outgoing.binary = true;
      return;
    }
    outgoing.compressing = true;
    const goOn = (compressed: Buffer | undefined) => {
      outgoing.compressing = false;
      if (this.#over) return;
      if (compressed !== undefined) {
        this.#waitingBytes += compressed.length - outgoing.data.length;
        outgoing.data = compressed;
        outgoing.binary = true;
      }
      this.#fillSocket();
    };
    frame.then(goOn, () => goOn(undefined)); // what cannot be compressed travels as it is
  }

  #fillSocket(): void {
    while (this.#socket.bufferedAmount < SOCKET_BUFFER_BYTES_MAX) {
      const [next] = this.#waiting;
      // What came later waits for a message that is being compressed: the order counts.
      if (next === undefined || next.compressing) return;
      this.#waiting.shift();
      this.#waitingBytes -= next.data.length;
      this.#inSocket.push(next);
      if (this.#inSocket.length === 1) this.#watchOldestWrite();
      this.#socket.send(next.data, { binary: next.binary }, (error) => this.#written(next, error));
    }
  }

  #written({ done, type, data }: Outgoing, error: Error | null | undefined): void {
    this.#inSocket.shift();
    if (error instanceof Error) return done.reject(notConnected(error));
    const bytes = frameBytes(data.length, this.#end.masks);
    this.#bytesWritten += bytes;
    this.#end.options.onTraffic?.("out", type, bytes);
    done.resolve();
    this.#watchOldestWrite();
    if (!this.#over) this.#fillSocket();
  }

  /** Gives the oldest unwritten message its time: a large one on a slow link needs more. */
  #watchOldestWrite(): void {
    const [oldest] = this.#inSocket;
    if (oldest !== undefined) this.#sweepsLeft = Math.ceil(this.#writeLimitMs(oldest) / this.#end.sweep.everyMs);
  }

  #writeLimitMs({ data }: Outgoing): number {
    return this.#end.options.writeTimeoutMs + (data.length / WRITE_BYTES_PER_SECOND_MIN) * 1_000;
  }

  /** Called with each look at the link. @returns what is wrong, if the peer does not take what is written. */
  sweep(): string | undefined {
    const [oldest] = this.#inSocket;
    if (oldest === undefined || --this.#sweepsLeft >= 0) return undefined;
    const limitMs = Math.round(this.#writeLimitMs(oldest));
    return `a message of ${oldest.data.length} bytes could not be written within ${limitMs} ms`;
  }

  /** The link is over: what waits is refused. */
  end(): void {
    this.#over = true;
    this.#waitingBytes = 0;
    for (const { done } of this.#waiting.splice(0)) done.reject(notConnected());
  }
}

export function notConnected(cause?: Error): LinkError {
  return new LinkError("the link to the peer is closed", { code: "NotConnected" }, { cause });
}
