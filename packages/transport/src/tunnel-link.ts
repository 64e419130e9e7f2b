import {
  decodeTunnelConnect,
  encodeTunnelConnect,
  encodeTunnelEnd,
  readTunnelFrame,
  type TunnelConnect,
  type TunnelEnd,
  type TunnelFrame,
  tunnelFrameHead,
  TunnelFrameType,
  TUNNEL_FRAME_DATA_BYTES_MAX,
} from "@kedge/protocol";
import { deferred, type Logger, toError } from "@kedge/runtime";
import type { WebSocket } from "ws";
import type { LinkClosed } from "./link-error.ts";
import { TunnelConnection, type TunnelWire } from "./tunnel-connection.ts";
import { TunnelError } from "./tunnel-error.ts";

/** Of all connections of one tunnel; the next is refused. */
export const TUNNEL_SESSIONS_MAX = 256;
/** When so much waits in the socket, data waits for its turn. */
const SOCKET_BUFFER_BYTES_MAX = 256 * 1024;
/** Answers, credit and endings that wait in the socket: a peer that does not read them at all is none. */
const SOCKET_BACKLOG_BYTES_MAX = 16 * 1024 * 1024;
/** How long a reader without credit may hold up the whole tunnel. */
const BEHIND_MS_MAX = 10_000;
/** How long a closing handshake may take. */
const CLOSE_MS = 2_000;
const LOOKS_PER_PING = 4;
const LOOKS_MAX = 6;

const NOTHING = new Uint8Array(0);

/** Frames of stock that open a connection. */
export type TunnelConnectType = 0 | 1 | 2 | 6;

export interface TunnelLinkOptions {
  readonly logger: Logger;
  /** Whether both ends are ours and have said so. @see `docs/adr/0008` */
  readonly agreed: boolean;
  /** After so long a silence the peer is pinged; after half as much again the tunnel is over. */
  readonly pingAfterMs: number;
  /** At the edge: the cloud opens a connection. Absent: nobody may. */
  readonly onConnect?: (connection: TunnelConnection, type: TunnelConnectType) => void;
  /** At the edge: the cloud ends the tunnel, and says why. */
  readonly onClose?: (reason: string) => void;
}

/** The WebSocket of a node's tunnel, and the connections in it; the same at both ends. */
export class TunnelLink implements AsyncDisposable {
  readonly agreed: boolean;
  readonly #socket: WebSocket;
  readonly #options: TunnelLinkOptions;
  readonly #connections = new Map<bigint, TunnelConnection>();
  readonly #closed = deferred<LinkClosed>();
  readonly #wire: TunnelWire;
  readonly #turns: (() => void)[] = [];
  readonly #behind = new Map<TunnelConnection, NodeJS.Timeout>();
  readonly #timer: NodeJS.Timeout;
  #silentLooks = 0;
  /** Counts what comes. */
  #heard = 0;
  #ending: LinkClosed | undefined;
  #over = false;

  /** @param socket an open one, with `maxPayload` `TUNNEL_FRAME_BYTES_MAX` and its own check of UTF-8 off; the link's from now on. */
  constructor(socket: WebSocket, options: TunnelLinkOptions) {
    this.#socket = socket;
    this.#options = options;
    this.agreed = options.agreed;
    this.#wire = {
      agreed: options.agreed,
      sendNow: (connectId, type, data) => this.#sendNow(connectId, type, data),
      room: () => this.#room(),
      behind: (connection, isBehind) => this.#setBehind(connection, isBehind),
      ended: (connection) => {
        this.#setBehind(connection, false);
        if (this.#connections.get(connection.connectId) === connection) this.#connections.delete(connection.connectId);
      },
    };
    socket.on("message", (data: Buffer) => this.#receive(data));
    socket.on("ping", () => this.#hear());
    socket.on("pong", () => this.#hear());
    socket.on("error", (error) => this.#endWith({ reason: "connectionLost", detail: error.message }));
    socket.on("close", (code, reason) => this.#finish(code, reason.toString()));
    this.#timer = setInterval(() => this.#look(), options.pingAfterMs / LOOKS_PER_PING);
    this.#timer.unref();
  }

  /** Resolves when the tunnel is over; never rejects. */
  get closed(): Promise<LinkClosed> {
    return this.#closed.promise;
  }

  get open(): boolean {
    return this.#ending === undefined && !this.#over;
  }

  get sessions(): number {
    return this.#connections.size;
  }

  /** Bytes given to the socket that the kernel has not taken. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /**
   * At the cloud: opens a connection.
   *
   * @throws {TunnelError} `Cut`: the tunnel is over. `TooManySessions`
   */
  connect(type: TunnelConnectType, connect: TunnelConnect): TunnelConnection {
    if (!this.open) throw new TunnelError("Cut", "the node's tunnel is closed");
    if (this.#connections.size >= TUNNEL_SESSIONS_MAX) throw tooManySessions();
    const connection = this.#add(connect);
    this.#sendNow(connect.connectId, type, encodeTunnelConnect(connect));
    return connection;
  }

  #add(connect: TunnelConnect): TunnelConnection {
    const connection = new TunnelConnection(this.#wire, connect);
    connection.on("error", () => undefined); // whoever reads or writes gets it, too
    this.#connections.set(connect.connectId, connection);
    return connection;
  }

  /** At the cloud: ends the tunnel with a word that stock edges understand as well. */
  async sendClose(reason: string): Promise<void> {
    if (this.open)
      this.#sendNow(0n, TunnelFrameType.closeConnect, Buffer.from(reason.slice(0, CLOSE_CHARS_MAX), "utf8"));
    await this.close("closed");
  }

  /** Another sign says that the peer may have been away: if nothing is heard within this time, the tunnel is over. */
  expectAnswer(withinMs: number): void {
    if (!this.open || this.#socket.isPaused) return;
    const heard = this.#heard;
    this.#socket.ping();
    const late = () => {
      if (this.#heard === heard && this.open)
        this.#terminate({ reason: "peerSilent", detail: `a ping was not answered within ${withinMs} ms` });
    };
    setTimeout(late, withinMs).unref();
  }

  #hear(): void {
    this.#silentLooks = 0;
    this.#heard += 1;
  }

  #receive(bytes: Buffer): void {
    this.#hear();
    if (this.#ending !== undefined) return;
    try {
      this.#take(readTunnelFrame(bytes));
    } catch (error) {
      this.#terminate({ reason: "badMessages", detail: toError(error).message });
    }
  }

  #take(frame: TunnelFrame): void {
    const { connectId, type } = frame;
    if (connectId === 0n) {
      if (type === TunnelFrameType.closeConnect) this.#closedByWord(frame);
      return;
    }
    if (isConnect(type)) return this.#opened(frame, type);
    // What is not known any more has ended here before the peer knew.
    this.#connections.get(connectId)?.accept(frame);
  }

  #closedByWord({ data }: TunnelFrame): void {
    const reason = Buffer.from(data.buffer, data.byteOffset, Math.min(data.length, CLOSE_CHARS_MAX)).toString();
    this.#endWith({ reason: "closedByPeer", detail: reason });
    this.#options.onClose?.(reason);
    this.#socket.close(1000);
    this.#terminateLater();
  }

  #opened({ connectId, data }: TunnelFrame, type: TunnelConnectType): void {
    const { onConnect } = this.#options;
    if (onConnect === undefined || this.#connections.has(connectId)) return;
    const refusal = this.#connections.size >= TUNNEL_SESSIONS_MAX ? tooManySessions() : undefined;
    let connect: TunnelConnect;
    try {
      if (refusal !== undefined) throw refusal;
      connect = decodeTunnelConnect(connectId, data);
    } catch (error) {
      const { message } = toError(error);
      return this.#refuse(connectId, { code: refusal?.code ?? "Refused", message });
    }
    onConnect(this.#add(connect), type);
  }

  #refuse(connectId: bigint, end: TunnelEnd): void {
    if (this.agreed) this.#sendNow(connectId, TunnelFrameType.end, encodeTunnelEnd(end));
    else this.#sendNow(connectId, TunnelFrameType.removeConnect, NOTHING);
  }

  #sendNow(connectId: bigint, type: number, data: Uint8Array): void {
    if (!this.open) return;
    if (this.#socket.bufferedAmount > SOCKET_BACKLOG_BYTES_MAX)
      return this.#terminate({ reason: "writeTimeout", detail: "the peer does not read" });
    const frame = Buffer.concat([tunnelFrameHead(connectId, type), data.subarray(0, TUNNEL_FRAME_DATA_BYTES_MAX)]);
    this.#socket.send(frame, { binary: this.agreed }, () => this.#nextTurn());
  }

  async #room(): Promise<void> {
    while (this.open && this.#socket.bufferedAmount >= SOCKET_BUFFER_BYTES_MAX)
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    if (!this.open) throw this.#cut();
  }

  /** In the order of asking, so that no connection starves. */
  #nextTurn(): void {
    if (this.#socket.bufferedAmount < SOCKET_BUFFER_BYTES_MAX) this.#turns.shift()?.();
  }

  /** A peer without credit sends on while somebody here does not read: the whole tunnel waits, for a while. */
  #setBehind(connection: TunnelConnection, isBehind: boolean): void {
    const timer = this.#behind.get(connection);
    if (isBehind === (timer !== undefined)) return;
    if (isBehind) {
      const cut = () =>
        connection.destroy(new TunnelError("Failed", `nobody took the data for ${BEHIND_MS_MAX / 1000} s`));
      this.#behind.set(connection, setTimeout(cut, BEHIND_MS_MAX).unref());
      this.#socket.pause();
    } else {
      clearTimeout(timer);
      this.#behind.delete(connection);
      if (this.#behind.size === 0 && !this.#over) this.#socket.resume();
    }
  }

  #look(): void {
    if (this.#socket.isPaused) return; // silence is our own doing then
    this.#silentLooks += 1;
    if (this.#silentLooks === LOOKS_PER_PING) this.#socket.ping();
    if (this.#silentLooks >= LOOKS_MAX) {
      const silentMs = (LOOKS_MAX * this.#options.pingAfterMs) / LOOKS_PER_PING;
      this.#terminate({ reason: "peerSilent", detail: `nothing was heard for ${silentMs} ms` });
    }
  }

  /** Who ends the tunnel first gives the reason. */
  #endWith(closed: LinkClosed): void {
    this.#ending ??= closed;
    const cut = this.#cut();
    for (const connection of this.#connections.values()) connection.fail(cut);
    for (const turn of this.#turns.splice(0)) turn();
  }

  #cut(): TunnelError {
    return new TunnelError("Cut", `the tunnel to the node was cut: ${this.#ending?.detail ?? "it is closed"}`);
  }

  #terminate(closed: LinkClosed): void {
    this.#endWith(closed);
    this.#socket.terminate();
  }

  #terminateLater(): void {
    this.#socket.resume(); // else the peer's part of the closing handshake is never read
    setTimeout(() => this.#socket.terminate(), CLOSE_MS).unref();
  }

  #finish(code: number, text: string): void {
    this.#over = true;
    clearInterval(this.#timer);
    const detail = `WebSocket close code ${code}${text === "" ? "" : `: ${text}`}`;
    // 1006: the connection broke without a closing handshake
    this.#endWith({ reason: code === 1006 ? "connectionLost" : "closedByPeer", detail });
    if (this.#ending !== undefined) this.#closed.resolve(this.#ending);
  }

  /** Closes in good order. @returns when the tunnel is over. */
  async close(reason: string): Promise<void> {
    if (!this.#over) {
      this.#endWith({ reason: "closedByUs", detail: reason });
      this.#socket.close(1000, reason.slice(0, WEBSOCKET_REASON_CHARS_MAX));
      this.#terminateLater();
    }
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close("going away");
  }
}

/** Of the word that ends a tunnel. */
const CLOSE_CHARS_MAX = 500;
/** A close frame has room for 123 bytes of text. */
const WEBSOCKET_REASON_CHARS_MAX = 40;

function isConnect(type: number): type is TunnelConnectType {
  return (
    type === TunnelFrameType.logsConnect ||
    type === TunnelFrameType.execConnect ||
    type === TunnelFrameType.metricConnect ||
    type === TunnelFrameType.attachConnect
  );
}

function tooManySessions(): TunnelError {
  return new TunnelError(
    "TooManySessions",
    `the node has ${TUNNEL_SESSIONS_MAX} streams open already: close some, then try again`,
  );
}
