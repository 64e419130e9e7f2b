import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { MESSAGE_BYTES_MAX } from "@kedge/protocol";
import { Component, toError } from "@kedge/runtime";
import { type WebSocket, WebSocketServer as WsServer } from "ws";
import { channelTls, type TlsIdentity } from "./tls-options.ts";
import { WebSocketLink, type WebSocketLinkOptions } from "./websocket-link.ts";

/** Who wants to open a link; the certificate is verified already. */
export interface LinkRequest {
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly certificate: PeerCertificate;
  readonly remoteAddress: string;
}

export interface LinkRefusal {
  readonly httpStatus: 400 | 401 | 403 | 404 | 409 | 429 | 503;
  /** Told to the peer. */
  readonly reason: string;
  readonly retryAfterSeconds?: number;
}

/** The answer to a {@link LinkRequest}: comes in unless there is a refusal. */
export interface LinkAdmission {
  readonly refusal?: LinkRefusal | undefined;
  /** Of the answer that opens the channel (101); the peer finds them in `link.responseHeaders`. */
  readonly responseHeaders?: Readonly<Record<string, string>> | undefined;
}

export interface WebSocketServerOptions extends WebSocketLinkOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Clients need a certificate of `tls.ca`. */
  readonly tls: TlsIdentity;
  /** Decides who may come in; whom it refuses is told why and cut off. A rejection refuses with 503. */
  readonly admit: (request: LinkRequest) => LinkAdmission | Promise<LinkAdmission>;
  /** Gets each new link; must call `receive`. */
  readonly onLink: (link: WebSocketLink, request: LinkRequest) => void;
}

/** TLS handshake, and the request that follows it. */
const HANDSHAKE_MS = 30_000;
/** Of all kinds, also those that have not shown a certificate yet; above the 15,000 sessions that one server is to hold. */
const CONNECTIONS_MAX = 20_000;
const HEADER_BYTES_MAX = 16 * 1024;
/**
 * `http/1.1` as ALPN writes it: a length and a name. Node copies it for each connection; of any other form it makes a
 * Buffer in its pool, so that every few connections hold 64 KB.
 */
const ALPN_HTTP_1_1 = new DataView(new TextEncoder().encode("\u0008http/1.1").buffer);

/** Accepts links over mutual TLS. Whom it does not admit never gets an open connection (W3). */
export class WebSocketServer extends Component {
  readonly #server: Server;
  readonly #upgrader = new WsServer({ noServer: true, perMessageDeflate: false, maxPayload: MESSAGE_BYTES_MAX });
  readonly #options: WebSocketServerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #responseHeaders = new WeakMap<IncomingMessage, Readonly<Record<string, string>>>();

  private constructor(options: WebSocketServerOptions) {
    super();
    this.#options = options;
    this.#server = createServer({
      ...channelTls(options.tls),
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ALPN_HTTP_1_1,
      handshakeTimeout: HANDSHAKE_MS,
      headersTimeout: HANDSHAKE_MS,
      requestTimeout: HANDSHAKE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    // Both the plain socket, for clients that never finish their handshake, and the TLS socket on top of it.
    for (const event of ["connection", "secureConnection"])
      this.#server.on(event, (socket: Socket) => {
        this.#sockets.add(socket);
        socket.setNoDelay(true);
        socket.once("close", () => this.#sockets.delete(socket));
      });
    this.#server.on("tlsClientError", (error, socket) =>
      options.logger.debug({ error, remote: socket.remoteAddress }, "TLS handshake failed"),
    );
    this.#server.on("request", (_request, response) => {
      response.writeHead(426, { connection: "close", upgrade: "websocket" }).end("this port speaks WebSocket only\n");
    });
    this.#server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket, head));
    this.#upgrader.on("headers", (lines, request) => {
      for (const [name, value] of Object.entries(this.#responseHeaders.get(request) ?? {}))
        lines.push(`${name}: ${value}`);
    });
  }

  /** @throws if the address cannot be listened on, or `signal` aborts. */
  static async start(options: WebSocketServerOptions, signal: AbortSignal): Promise<WebSocketServer> {
    await using scope = new AsyncDisposableStack();
    const server = scope.use(new WebSocketServer(options));
    server.#server.listen(options.port, options.host);
    await once(server.#server, "listening", { signal });
    scope.move();
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections see this certificate; those that are open go on with the old one. */
  replaceIdentity(tls: TlsIdentity): void {
    this.#server.setSecureContext(channelTls(tls));
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const drop = () => socket.destroy();
    socket.on("error", drop);
    const tlsSocket = incoming.socket as TLSSocket;
    const request: LinkRequest = {
      path: incoming.url ?? "/",
      headers: incoming.headers,
      certificate: tlsSocket.getPeerCertificate(),
      remoteAddress: tlsSocket.remoteAddress ?? "",
    };
    const { refusal, responseHeaders } = await this.#admit(request);
    if (refusal !== undefined) return refuse(socket, refusal);
    if (responseHeaders !== undefined) this.#responseHeaders.set(incoming, responseHeaders);
    this.#upgrader.handleUpgrade(incoming, socket, head, (webSocket: WebSocket) => {
      socket.off("error", drop); // from here on the link hears of errors
      this.#options.onLink(new WebSocketLink(webSocket, this.#options), request);
    });
  }

  async #admit(request: LinkRequest): Promise<LinkAdmission> {
    try {
      return await this.#options.admit(request);
    } catch (error) {
      this.#options.logger.warn({ remote: request.remoteAddress, error: toError(error) }, "admission failed");
      return { refusal: { httpStatus: 503, reason: "the server cannot tell now whether you may come in" } };
    }
  }

  protected override async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      if (!this.#server.listening) resolve();
    });
    this.#upgrader.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

const STATUS_TEXT = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  429: "Too Many Requests",
  503: "Service Unavailable",
} as const;

function refuse(socket: Duplex, { httpStatus, reason, retryAfterSeconds }: LinkRefusal): void {
  const body = `${reason}\n`;
  const head = [
    `HTTP/1.1 ${httpStatus} ${STATUS_TEXT[httpStatus]}`,
    "content-type: text/plain; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    ...(retryAfterSeconds === undefined ? [] : [`retry-after: ${retryAfterSeconds}`]),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
