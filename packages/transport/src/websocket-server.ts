import { constants } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { MESSAGE_BYTES_MAX } from "@kedge/protocol";
import { Component, type Logger, systemClock, toError } from "@kedge/runtime";
import { type WebSocket, WebSocketServer as WsServer } from "ws";
import { type LinkEnd, linkEnd, type WebSocketLinkOptions } from "./link-end.ts";
import { nameOf, OPENING_LIMITS, OpeningGate, type OpeningLimits } from "./opening-gate.ts";
import { SessionRate } from "./session-rate.ts";
import { channelTls, type TlsIdentity } from "./tls-options.ts";
import { WebSocketLink } from "./websocket-link.ts";

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

/** How to accept connections, whatever is spoken on them. */
export interface UpgradeServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Clients need a certificate of `tls.ca`. */
  readonly tls: TlsIdentity;
  /** Decides who may come in; whom it refuses is told why and cut off. A rejection refuses with 503. */
  readonly admit: (request: LinkRequest) => LinkAdmission | Promise<LinkAdmission>;
  /** Sessions that may begin in a second, and at once; the others are told when to return. */
  readonly sessionsPerSecond?: number | undefined;
  readonly sessionsAtOnce?: number | undefined;
  /** Of connections that are not admitted yet, where other limits than the usual are wanted. */
  readonly opening?: Partial<OpeningLimits> | undefined;
  readonly logger: Logger;
}

export interface WebSocketServerOptions extends WebSocketLinkOptions, UpgradeServerOptions {
  /** Gets each new link; must call `receive`. */
  readonly onLink: (link: WebSocketLink, request: LinkRequest) => void;
}

/** What becomes of a connection that was let in. @param messageBytesMax of one message on it */
export interface Upgraded {
  readonly messageBytesMax: number;
  readonly take: (webSocket: WebSocket, socket: TLSSocket, request: LinkRequest) => void;
}

/** Of all kinds, also those that have not shown a certificate yet; above the 15,000 sessions that one server is to hold. */
const CONNECTIONS_MAX = 20_000;
const HEADER_BYTES_MAX = 16 * 1024;
/** Read of a connection whose handshake has to wait, at most this and one chunk of what TCP has. */
const HELLO_BYTES_MAX = 4 * 1024;
/** New sessions a second, of nodes that all come back at once: more would take the CPU from those that are there. */
const SESSIONS_PER_SECOND = 200;
/** Sessions that may begin at once; smaller fleets are all back in a moment. */
const SESSIONS_AT_ONCE_MAX = 1_000;
const HTTP_1_1 = "http/1.1";

/** How many are on their way in, and how many were not let in since the start. */
export interface ServerLoad {
  readonly handshaking: number;
  readonly waiting: number;
  readonly cut: number;
  readonly sentAway: number;
}

/** Accepts links over mutual TLS. Whom it does not admit never gets an open connection (W3). */
export class WebSocketServer extends Component {
  readonly #server: Server;
  /** Never listens itself: gets its connections from the gate. */
  readonly #https: HttpsServer;
  readonly #upgrader: WsServer;
  readonly #options: UpgradeServerOptions;
  readonly #take: Upgraded["take"];
  readonly #gate: OpeningGate;
  readonly #rate: SessionRate;
  readonly #sockets = new Set<Socket>();
  readonly #responseHeaders = new WeakMap<IncomingMessage, Readonly<Record<string, string>>>();
  #sentAway = 0;

  private constructor(options: UpgradeServerOptions, { messageBytesMax, take }: Upgraded) {
    super();
    const { tls, logger, sessionsPerSecond = SESSIONS_PER_SECOND, sessionsAtOnce = SESSIONS_AT_ONCE_MAX } = options;
    const limits = { ...OPENING_LIMITS, ...options.opening };
    this.#options = options;
    this.#take = take;
    this.#upgrader = new WsServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: messageBytesMax,
      skipUTF8Validation: true, // the link checks it: a bad text costs the message, not the connection
    });
    this.#rate = new SessionRate(sessionsPerSecond, sessionsAtOnce, systemClock);
    this.#gate = new OpeningGate(limits, (socket) => this.#https.emit("connection", socket), systemClock);
    this.#https = createHttpsServer({
      ...channelTls(tls),
      secureOptions: constants.SSL_OP_NO_TICKET, // every connection shows its certificate, and takes a fifth less CPU
      requestCert: true,
      rejectUnauthorized: true,
      // Of a list Node would copy a few bytes into its pool for each connection, and so keep 64 KB for every few of them.
      ALPNCallback: ({ protocols }) => (protocols.includes(HTTP_1_1) ? HTTP_1_1 : undefined),
      handshakeTimeout: limits.openingMs * 2, // the gate cuts earlier
      maxHeaderSize: HEADER_BYTES_MAX,
    });
    this.#https.on("secureConnection", (socket) => this.#gate.secured(socket));
    this.#https.on("tlsClientError", (error, socket) =>
      logger.debug({ error, remote: socket.remoteAddress }, "TLS handshake failed"),
    );
    this.#https.on("request", (_request, response) => {
      response.writeHead(426, { connection: "close", upgrade: "websocket" }).end("this port speaks WebSocket only\n");
    });
    this.#https.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket as TLSSocket, head));
    this.#upgrader.on("headers", (lines, request) => {
      for (const [name, value] of Object.entries(this.#responseHeaders.get(request) ?? {}))
        lines.push(`${name}: ${value}`);
    });
    this.#server = createServer({ noDelay: true, highWaterMark: HELLO_BYTES_MAX }, (socket) => this.#accept(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** @throws if the address cannot be listened on, or `signal` aborts. */
  static start(options: WebSocketServerOptions, signal: AbortSignal): Promise<WebSocketServer> {
    const end: LinkEnd = linkEnd(options, false);
    const take: Upgraded["take"] = (webSocket, socket, request) => {
      const link = new WebSocketLink(webSocket, socket, end);
      try {
        options.onLink(link, request);
      } catch (error) {
        options.logger.error({ remote: request.remoteAddress, error: toError(error) }, "a new link was not taken");
        link.terminate("nobody has taken it");
      }
    };
    return WebSocketServer.startWith(options, { messageBytesMax: MESSAGE_BYTES_MAX, take }, signal);
  }

  /** For what is no {@link WebSocketLink}. @throws as `start`. */
  static async startWith(
    options: UpgradeServerOptions,
    upgraded: Upgraded,
    signal: AbortSignal,
  ): Promise<WebSocketServer> {
    await using scope = new AsyncDisposableStack();
    const server = scope.use(new WebSocketServer(options, upgraded));
    server.#server.listen(options.port, options.host);
    await once(server.#server, "listening", { signal });
    scope.move();
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get load(): ServerLoad {
    const { handshaking, waiting, cut } = this.#gate;
    return { handshaking, waiting, cut, sentAway: this.#sentAway };
  }

  /** New connections see this certificate; those that are open go on with the old one. */
  replaceIdentity(tls: TlsIdentity): void {
    this.#https.setSecureContext({ ...channelTls(tls), secureOptions: constants.SSL_OP_NO_TICKET });
  }

  #accept(socket: Socket): void {
    const name = nameOf(socket);
    this.#sockets.add(socket);
    socket.on("error", () => undefined); // before TLS takes it over, nobody listens; `close` follows
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#gate.left(name);
    });
    this.#gate.enter(socket);
  }

  async #upgrade(incoming: IncomingMessage, socket: TLSSocket, head: Buffer): Promise<void> {
    const drop = () => void socket.destroy();
    socket.on("error", drop);
    const name = nameOf(socket);
    const request: LinkRequest = {
      path: incoming.url ?? "/",
      headers: incoming.headers,
      certificate: socket.getPeerCertificate(),
      remoteAddress: socket.remoteAddress ?? "",
    };
    const { refusal, responseHeaders } = await this.#admit(request);
    if (refusal !== undefined) return refuse(socket, refusal);
    if (!this.#gate.holds(name)) return drop(); // it was cut, or is gone, meanwhile
    if (responseHeaders !== undefined) this.#responseHeaders.set(incoming, responseHeaders);
    this.#upgrader.handleUpgrade(incoming, socket, head, (webSocket: WebSocket) => {
      socket.off("error", drop); // from here on the link hears of errors
      this.#gate.left(name);
      this.#take(webSocket, socket, request);
    });
  }

  async #admit(request: LinkRequest): Promise<LinkAdmission> {
    const retryAfterSeconds = this.#rate.take();
    if (retryAfterSeconds > 0) {
      this.#sentAway += 1;
      const reason = `more nodes connect at once than can be served; return in ${retryAfterSeconds} s`;
      return { refusal: { httpStatus: 503, reason, retryAfterSeconds } };
    }
    let admission: LinkAdmission;
    try {
      admission = await this.#options.admit(request);
    } catch (error) {
      this.#options.logger.warn({ remote: request.remoteAddress, error: toError(error) }, "admission failed");
      admission = { refusal: { httpStatus: 503, reason: "the server cannot tell now whether you may come in" } };
    }
    if (admission.refusal !== undefined) this.#rate.giveBack();
    return admission;
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
