import { Duplex } from "node:stream";
import {
  decodeCredit,
  decodeTunnelEnd,
  decodeTunnelResponse,
  encodeCredit,
  encodeTunnelEnd,
  encodeTunnelResponse,
  type ProtocolError,
  ReceiveCredit,
  SendCredit,
  TUNNEL_DATA_BYTES_MAX,
  TUNNEL_MARK_BYTES_MAX,
  TUNNEL_WINDOW_BYTES,
  type TunnelConnect,
  type TunnelFrame,
  TunnelFrameType,
  type TunnelResponse,
  type TunnelResume,
} from "@kedge/protocol";
import { deferred, toError } from "@kedge/runtime";
import { TunnelError } from "./tunnel-error.ts";

/** Of a peer without credit: when so much waits for a reader, the tunnel waits with it. */
const STOCK_WAITING_BYTES_MAX = TUNNEL_WINDOW_BYTES;
/** What a reader's stream holds beyond what waits here. */
const READ_AHEAD_BYTES = 16 * 1024;
/** Marks between what has come and what the reader has taken; of more, those in between are forgotten. */
const MARKS_MAX = 256;

/** What a connection needs of its tunnel. */
export interface TunnelWire {
  readonly agreed: boolean;
  /** Sends now; for what is small and rare. */
  sendNow(connectId: bigint, type: number, data: Uint8Array): void;
  /** Resolves when it is this connection's turn to send a frame of data. @throws {TunnelError} `Cut` */
  room(): Promise<void>;
  /** The reader of a connection without credit is behind, or is not any more. */
  behind(connection: TunnelConnection, isBehind: boolean): void;
  ended(connection: TunnelConnection): void;
}

const NOTHING = new Uint8Array(0);

/**
 * One connection through the tunnel: a stream of bytes in both directions, the same at both ends. Writing waits for the peer's
 * credit, reading gives some.
 *
 * It ends as it should with `end()` here or there; then `"end"` comes after the last byte. Destroyed with an error, the peer is
 * told (as far as it understands), and there the stream is destroyed with a {@link TunnelError}.
 */
export class TunnelConnection extends Duplex {
  readonly connect: TunnelConnect;
  readonly #wire: TunnelWire;
  readonly #sendCredit = new SendCredit();
  readonly #receiveCredit = new ReceiveCredit();
  readonly #response = deferred<TunnelResponse>();
  /** Came, and not given to the reader yet. */
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #wanted = false;
  /** What ends the stream once all that came before has been read. */
  #failure: TunnelError | undefined;
  #peerDone = false;
  #over = false;
  #creditCame: (() => void) | undefined;
  #received = 0;
  #marks: { readonly at: number; readonly mark: string }[] = [];

  constructor(wire: TunnelWire, connect: TunnelConnect) {
    super({ allowHalfOpen: false, readableHighWaterMark: READ_AHEAD_BYTES, writableHighWaterMark: READ_AHEAD_BYTES });
    this.#wire = wire;
    this.connect = connect;
    this.#response.promise.catch(() => undefined); // who asks gets it
  }

  get connectId(): bigint {
    return this.connect.connectId;
  }

  /** Whether the other end is ours: it knows answers, credit, marks and reasons. */
  get agreed(): boolean {
    return this.#wire.agreed;
  }

  /** What the edge answered; only of an agreed peer. @throws {TunnelError} if the connection ends before. */
  get response(): Promise<TunnelResponse> {
    return this.#response.promise;
  }

  /** At the edge, once, before the first byte: the answer's status and headers. A stock cloud has no room for it. */
  respond(response: TunnelResponse): void {
    if (this.agreed && !this.#over) this.#send(TunnelFrameType.response, encodeTunnelResponse(response));
  }

  /** At the edge: from here one can go on later. Call it when all that was written has been taken. */
  mark(mark: string): void {
    const data = Buffer.from(mark);
    if (data.length > TUNNEL_MARK_BYTES_MAX) throw new RangeError(`a mark of ${data.length} bytes`);
    if (this.agreed && !this.#over) this.#send(TunnelFrameType.mark, data);
  }

  /** At the cloud: from where to go on if the reader has taken so many bytes of this connection. */
  resumeAt(bytesTaken: number): TunnelResume | undefined {
    const last = this.#marks.findLast(({ at }) => at <= bytesTaken);
    return last === undefined ? undefined : { mark: last.mark, bytes: bytesTaken - last.at };
  }

  /** The tunnel hands over what came for this connection. */
  accept({ type, data }: TunnelFrame): void {
    if (this.#over || this.#peerDone) return;
    try {
      this.#accept(type, data);
    } catch (error) {
      this.destroy(new TunnelError("FlowViolation", (error as ProtocolError).message));
    }
  }

  #accept(type: number, data: Uint8Array): void {
    switch (type) {
      case TunnelFrameType.data:
        if (data.length === 0) return;
        if (this.agreed) this.#receiveCredit.arrived(data.length);
        this.#received += data.length;
        this.#waiting.push(data);
        this.#waitingBytes += data.length;
        this.#deliver();
        if (!this.agreed) this.#wire.behind(this, this.#waitingBytes > STOCK_WAITING_BYTES_MAX);
        return;
      case TunnelFrameType.removeConnect:
        this.#peerDone = true;
        this.#creditCame?.();
        return this.#deliver();
      case TunnelFrameType.response:
        return this.agreed ? this.#response.resolve(decodeTunnelResponse(data)) : undefined;
      case TunnelFrameType.end: {
        if (!this.agreed) return;
        const { code, message } = decodeTunnelEnd(data);
        return this.fail(new TunnelError(code, message, true));
      }
      case TunnelFrameType.credit:
        if (!this.agreed) return;
        this.#sendCredit.grant(decodeCredit(data));
        return this.#creditCame?.();
      case TunnelFrameType.mark:
        if (this.agreed) this.#keepMark(data);
        return;
      default: // of a later version
    }
  }

  /** The tunnel or the peer ends it: what has come before is still there to read. */
  fail(error: TunnelError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#peerDone = true;
    this.#finish(error);
    this.#failWhenRead();
  }

  #failWhenRead(): void {
    if (this.#failure !== undefined && this.#waiting.length === 0 && this.readableLength === 0)
      this.destroy(this.#failure);
  }

  #keepMark(data: Uint8Array): void {
    if (data.length > TUNNEL_MARK_BYTES_MAX) return;
    const mark = { at: this.#received, mark: Buffer.from(data).toString() };
    if (this.#marks.length < MARKS_MAX) this.#marks.push(mark);
    else this.#marks[MARKS_MAX - 1] = mark;
    const taken = this.#received - this.#waitingBytes - this.readableLength;
    const last = this.#marks.findLastIndex(({ at }) => at <= taken - 2 * TUNNEL_WINDOW_BYTES);
    if (last > 0) this.#marks.splice(0, last);
  }

  #deliver(): void {
    while (this.#wanted) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#waitingBytes -= next.length;
      this.#wanted = this.push(next);
      if (this.agreed && !this.#peerDone && !this.#over) {
        const grant = this.#receiveCredit.taken(next.length);
        if (grant > 0) this.#send(TunnelFrameType.credit, encodeCredit(grant));
      }
    }
    if (this.#peerDone && this.#failure === undefined && this.#waiting.length === 0) this.push(null);
  }

  #send(type: number, data: Uint8Array): void {
    this.#wire.sendNow(this.connectId, type, data);
  }

  override _read(): void {
    this.#wanted = true;
    this.#deliver();
    if (!this.agreed) this.#wire.behind(this, this.#waitingBytes > STOCK_WAITING_BYTES_MAX / 2);
  }

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    this.#failWhenRead();
    return chunk;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    void this.#writeThen(chunk, done);
  }

  async #writeThen(chunk: Buffer, done: (error?: Error | null) => void): Promise<void> {
    try {
      await this.#writeAll(chunk);
    } catch (error) {
      return done(toError(error));
    }
    done();
  }

  async #writeAll(chunk: Buffer): Promise<void> {
    for (let start = 0; start < chunk.length;) {
      if (this.agreed && this.#sendCredit.bytes === 0) await this.#credit();
      await this.#wire.room();
      // Who has ended its part does not want the rest of ours: that is no failure.
      if (this.#over || this.#peerDone) return this.#stopWriter();
      const mayBytes = this.agreed ? Math.min(this.#sendCredit.bytes, TUNNEL_DATA_BYTES_MAX) : TUNNEL_DATA_BYTES_MAX;
      const piece = chunk.subarray(start, start + mayBytes);
      if (this.agreed) this.#sendCredit.spend(piece.length);
      this.#send(TunnelFrameType.data, piece);
      start += piece.length;
    }
  }

  /** Whoever writes on without looking must notice, and must not keep everybody else from their turn. */
  async #stopWriter(): Promise<void> {
    if (!this.writableEnded) this.end();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Resolves also when the connection is over. */
  #credit(): Promise<void> {
    if (this.#over || this.#peerDone) return Promise.resolve();
    return new Promise((resolve) => (this.#creditCame = resolve));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#finish(undefined);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#finish(error ?? undefined);
    done(error);
  }

  /** Once: tells the peer unless it told us. */
  #finish(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    // A stock cloud says that its client left again and again, until it is answered (W46).
    const told = this.#peerDone && this.agreed;
    this.#creditCame?.();
    const end = error instanceof TunnelError ? error : new TunnelError("Failed", error?.message ?? "");
    this.#response.reject(end);
    if (!told && end.code !== "Cut") {
      if (error !== undefined && this.agreed)
        this.#send(TunnelFrameType.end, encodeTunnelEnd({ code: end.code, message: end.message }));
      else this.#send(TunnelFrameType.removeConnect, NOTHING);
    }
    this.#wire.ended(this);
    if (error === undefined && !this.#peerDone) {
      this.#waiting.length = 0; // nothing more is of use
      this.push(null);
    }
  }
}
