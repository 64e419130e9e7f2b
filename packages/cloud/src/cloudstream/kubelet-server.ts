import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { Component, type Counter, type Logger, type Metrics, toError } from "@kedge/runtime";
import { findNode, type FindNodeDeps } from "./find-node.ts";
import type { KubeletCallers } from "./kubelet-caller.ts";
import { KubeletRefusal } from "./kubelet-refusal.ts";
import type { KubeletRights } from "./kubelet-rights.ts";
import { findKubeletRoute, type FoundRoute } from "./kubelet-routes.ts";
import { type PeerForward, PEER_HEADER } from "./peer-forward.ts";
import { type Relayed, relayResponse } from "./relay-response.ts";
import { relayUpgrade } from "./relay-upgrade.ts";
import { headersForNode } from "./request-headers.ts";
import type { Tunnels } from "./tunnels.ts";

/** Connections that callers hold open, at all ports together. */
const CONNECTIONS_MAX = 8_192;
/** Requests that are being served: streams, mostly. */
const SESSIONS_MAX = 4_096;
const HEADER_BYTES_MAX = 64 * 1024;
const HANDSHAKE_MS = 10_000;
const REQUEST_MS = 30_000;
const KEEP_ALIVE_MS = 75_000;

/** Of a caller that is gone without a word, the kernel tells within some minutes: streams may be quiet for long. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000 } as const;

export interface KubeletServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: KubeletTls;
}

/** PEM. */
export interface KubeletTls {
  readonly cert: string;
  readonly key: string;
  /** Whose certificates say who calls; empty: nobody's. */
  readonly clientAuthorities: string;
}

export interface KubeletServerDeps extends FindNodeDeps {
  readonly tunnels: Tunnels;
  readonly callers: KubeletCallers;
  readonly rights: KubeletRights;
  readonly peers: PeerForward;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/**
 * The kubelet endpoint of all nodes, towards the API server, metrics-server and whoever else reads nodes: port 10003, and a port
 * of each node's own. Who calls and what they may is known before a node hears of it.
 */
export class KubeletServer extends Component {
  readonly #server: Server;
  readonly #deps: KubeletServerDeps;
  readonly #answered: Counter<"path" | "result">;
  #connections = 0;
  #sessions = 0;

  private constructor({ tls }: KubeletServerOptions, deps: KubeletServerDeps) {
    super();
    this.#deps = deps;
    this.#answered = deps.metrics.counter({
      name: "kedge_cloudstream_requests_total",
      help: "Requests to nodes' kubelet endpoints, by route and result.",
      labels: ["path", "result"],
    });
    this.#server = createServer({
      ...secureContext(tls),
      requestCert: true,
      rejectUnauthorized: false, // a bearer token may do instead; who calls is asked for each request
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: HANDSHAKE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
      ...KEEP_ALIVE,
    });
    this.#server.on("connection", (socket: Socket) => this.#connected(socket));
    this.#server.on("tlsClientError", (error) => deps.logger.debug({ error }, "TLS handshake failed"));
    this.#server.on("clientError", (_error, socket) => void socket.destroy());
    this.#server.on("request", (request, response) => void this.#serve(request, response));
    this.#server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket as TLSSocket, head));
  }

  /** @throws if the port cannot be listened on. */
  static async start(
    options: KubeletServerOptions,
    deps: KubeletServerDeps,
    signal: AbortSignal,
  ): Promise<KubeletServer> {
    await using scope = new AsyncDisposableStack();
    const server = scope.use(new KubeletServer(options, deps));
    server.#server.listen(options.port, options.host);
    await once(server.#server, "listening", { signal });
    scope.move();
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Requests being served now. */
  get sessions(): number {
    return this.#sessions;
  }

  /** Connections from now on see this certificate. */
  replaceTls(tls: KubeletTls): void {
    this.#server.setSecureContext(secureContext(tls));
  }

  /** A connection to a node's own port. */
  take(socket: Socket): void {
    this.#server.emit("connection", socket);
  }

  #connected(socket: Socket): void {
    this.#connections += 1;
    socket.on("error", () => undefined); // `close` follows
    socket.once("close", () => (this.#connections -= 1));
    if (this.#connections > CONNECTIONS_MAX) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const left = new AbortController();
    response.on("error", () => undefined); // the caller went away: nobody is left to tell
    response.once("close", () => left.abort(new Error("the client went away")));
    const found = this.#find(request);
    try {
      await this.#limited(async () => {
        const node = await this.#admit(found, request, left.signal);
        if (found?.route.upgrade === true)
          throw KubeletRefusal.of("UpgradeNeeded", "this needs a connection of its own: send Connection: Upgrade");
        const relayed = relayedOf(node, found, request);
        if (this.#deps.peers.leadsElsewhere(node)) await this.#deps.peers.forward(node, request, response, left.signal);
        else await relayResponse(relayed, response, this.#deps, left.signal);
      });
      this.#count(found, response.statusCode);
    } catch (error) {
      if (left.signal.aborted) return;
      const { status, message } = this.#refused(found, request, error);
      if (response.headersSent) return void response.destroy();
      const body = `${message}\n`;
      response.writeHead(status, {
        "content-type": "text/plain; charset=utf-8",
        "content-length": Buffer.byteLength(body),
      });
      response.end(body);
    }
  }

  async #upgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): Promise<void> {
    const left = new AbortController();
    socket.on("error", () => undefined);
    socket.once("close", () => left.abort(new Error("the client went away")));
    const found = this.#find(request);
    try {
      await this.#limited(async () => {
        const node = await this.#admit(found, request, left.signal);
        if (found?.route.upgrade === false)
          throw KubeletRefusal.of("UpgradeNeeded", "nothing is upgraded here: leave out Connection: Upgrade");
        if (this.#deps.peers.leadsElsewhere(node)) return this.#deps.peers.forwardUpgrade(node, request, socket, head);
        this.#expectKnown(node, found);
        await relayUpgrade(relayedOf(node, found, request), socket, head, this.#deps);
      });
      this.#count(found, 101);
    } catch (error) {
      if (left.signal.aborted) return;
      const { status, message } = this.#refused(found, request, error);
      const body = `${message}\n`;
      const lines = [
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
        "content-type: text/plain; charset=utf-8",
        `content-length: ${Buffer.byteLength(body)}`,
        "connection: close",
      ];
      socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
    }
  }

  #find({ method = "", url = "/" }: IncomingMessage): FoundRoute | undefined {
    return findKubeletRoute(method, url.split("?", 1)[0] ?? "/");
  }

  /** Who, then which node, then whether they may. @returns the node. @throws {KubeletRefusal} */
  async #admit(found: FoundRoute | undefined, request: IncomingMessage, signal: AbortSignal): Promise<string> {
    const { callers, rights, peers } = this.#deps;
    const { headers, method = "" } = request;
    const socket = request.socket as TLSSocket;
    const forwarded = headers[PEER_HEADER];
    // Another cloudcore of ours has asked already who that is, and what they may.
    if (found !== undefined && typeof forwarded === "string") return peers.accept(forwarded, method, request.url ?? "");
    const caller = await callers.identify(socket, headers.authorization, signal);
    if (found === undefined) throw KubeletRefusal.of("NoSuchRoute", "404 page not found");
    const node = findNode(found, { headers, localPort: socket.localPort }, this.#deps);
    await rights.expect(caller, method, node, found.route.subresources, signal);
    return node;
  }

  #expectKnown(node: string, found: FoundRoute | undefined): void {
    if (found?.route.ours !== true || this.#deps.tunnels.isAgreed(node) !== false) return;
    const what = found.path.startsWith("/portForward/") ? "port-forward" : found.path;
    throw KubeletRefusal.of("NotSupported", `node ${node} runs KubeEdge's edgecore, which has no ${what}`);
  }

  async #limited(serve: () => Promise<void>): Promise<void> {
    if (this.#sessions >= SESSIONS_MAX)
      throw KubeletRefusal.of("TooManySessions", `${SESSIONS_MAX} streams are open already: try again later`);
    this.#sessions += 1;
    try {
      await serve();
    } finally {
      this.#sessions -= 1;
    }
  }

  #refused(
    found: FoundRoute | undefined,
    request: IncomingMessage,
    error: unknown,
  ): { status: number; message: string } {
    const facts = { path: found?.route.path ?? "other", remote: request.socket.remoteAddress };
    const { message } = toError(error);
    const status = error instanceof KubeletRefusal ? error.details.httpStatus : 500;
    this.#count(found, status);
    const level = status === 500 ? "error" : status === 401 || status === 403 ? "warn" : "debug";
    this.#deps.logger[level]({ ...facts, error: toError(error) }, "a request for a node is not served");
    return { status, message };
  }

  #count(found: FoundRoute | undefined, status: number): void {
    this.#answered.increment({ path: found?.route.path ?? "other", result: String(status) });
  }

  protected override async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      if (!this.#server.listening) resolve();
    });
    this.#server.closeAllConnections();
    await closed;
  }
}

function relayedOf(node: string, found: FoundRoute | undefined, request: IncomingMessage): Relayed {
  if (found === undefined) throw KubeletRefusal.of("NoSuchRoute", "404 page not found");
  const { kind, upgrade } = found.route;
  const { method = "GET", url = "" } = request;
  const mark = url.indexOf("?");
  return {
    node,
    kind,
    request: {
      path: found.path,
      query: mark === -1 ? "" : url.slice(mark + 1),
      headers: headersForNode(request, upgrade),
      // As stock: a plain read has none.
      ...((upgrade || method !== "GET") && { method }),
    },
  };
}

function secureContext({ cert, key, clientAuthorities }: KubeletTls): SecureContextOptions {
  return { cert, key, ca: clientAuthorities === "" ? [] : [clientAuthorities], minVersion: "TLSv1.2" };
}
