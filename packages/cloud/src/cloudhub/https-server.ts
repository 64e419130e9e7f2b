import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { Component, type Counter, isRetryable, type Metrics, toError } from "@kedge/runtime";
import type { TlsIdentity } from "@kedge/transport";
import { type CallerDeps, callerFor, type Credentials, nodeOf } from "./callers.ts";
import { findRoute, NODE_NOT_FOUND, type Route, type RouteRequest, type RouteResponse } from "./https-routes.ts";
import type { IssueDeps } from "./issue-edge-certificate.ts";
import { isNodeName } from "./node-name.ts";
import { isoTime } from "./pki/join-token.ts";
import { networkOf, RateLimits } from "./rate-limits.ts";
import type { RefusalEvents } from "./refusal-events.ts";
import { Refusal } from "./refusal.ts";

const REQUEST_MS = 30_000;
const HEADER_BYTES_MAX = 16 * 1024;
const CONNECTIONS_MAX = 4_096;
/** Of them, from one address, whoever that is: more are cut, so that who holds them open does not keep others from joining. */
export const ADDRESS_CONNECTIONS_MAX = 1_024;
/** Requests that show a credential, from one address: so many at once, as when a site's power returns… */
const ADDRESS_REQUESTS_BURST_MAX = 500;
/** …then one more in so many ms. */
const ADDRESS_REQUESTS_REFILL_MS = 20;
/** Refused requests of one address that are logged and told in the cluster, at once; the rest are only counted. */
const ADDRESS_REFUSALS_BURST_MAX = 20;
const ADDRESS_REFUSALS_REFILL_MS = 3_000;
const RETRY_AFTER_SECONDS = 10;

export interface HttpsServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: TlsIdentity;
}

export interface HttpsServerDeps extends IssueDeps, CallerDeps {
  readonly events: RefusalEvents;
  readonly metrics: Metrics;
}

interface Answer extends RouteResponse {
  readonly retryAfterSeconds?: number | undefined;
}

/** Where edges get the CA and their certificates: port 10002. */
export class HttpsServer extends Component {
  readonly #server: Server;
  readonly #deps: HttpsServerDeps;
  readonly #requests: RateLimits;
  readonly #refusals: RateLimits;
  readonly #answered: Counter<"path" | "result">;
  readonly #connections = new Map<string, number>();

  private constructor({ tls }: HttpsServerOptions, deps: HttpsServerDeps) {
    super();
    this.#deps = deps;
    const { clock, metrics } = deps;
    this.#requests = new RateLimits({ burst: ADDRESS_REQUESTS_BURST_MAX, refillMs: ADDRESS_REQUESTS_REFILL_MS }, clock);
    this.#refusals = new RateLimits({ burst: ADDRESS_REFUSALS_BURST_MAX, refillMs: ADDRESS_REFUSALS_REFILL_MS }, clock);
    this.#answered = metrics.counter({
      name: "kedge_cloudhub_https_requests_total",
      help: "Requests to the port where nodes join, by route and result.",
      labels: ["path", "result"],
    });
    this.#server = createServer({
      ...secureContext(tls),
      requestCert: true,
      rejectUnauthorized: false, // each route checks by itself: to join there is no certificate yet
      handshakeTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on("connection", (socket: Socket) => this.#connected(socket));
    this.#server.on("tlsClientError", (error) => deps.logger.debug({ error }, "TLS handshake failed"));
    this.#server.on("request", (request, response) => void this.#serve(request, response));
  }

  /** @throws if the address cannot be listened on. */
  static async start(options: HttpsServerOptions, deps: HttpsServerDeps, signal: AbortSignal): Promise<HttpsServer> {
    await using scope = new AsyncDisposableStack();
    const server = scope.use(new HttpsServer(options, deps));
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
    this.#server.setSecureContext(secureContext(tls));
  }

  #connected(socket: Socket): void {
    const network = networkOf(socket.remoteAddress ?? "");
    const count = (this.#connections.get(network) ?? 0) + 1;
    this.#connections.set(network, count);
    socket.once("close", () => {
      const left = (this.#connections.get(network) ?? 1) - 1;
      if (left === 0) this.#connections.delete(network);
      else this.#connections.set(network, left);
    });
    if (count > ADDRESS_CONNECTIONS_MAX) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => undefined); // the client went away: nobody is left to tell
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const found = findRoute(request.method ?? "", path);
    const answer: Answer =
      found === undefined
        ? { status: 404, body: "404 page not found" }
        : await this.#answer(found.route, found.parameters, request).catch((error: unknown) =>
            this.#refuse(error, found.route, found.parameters, request),
          );
    this.#answered.increment({ path: found?.route.path ?? "other", result: String(answer.status) });
    const headers: OutgoingHttpHeaders = {
      "content-type": typeof answer.body === "string" ? "text/plain; charset=utf-8" : "application/octet-stream",
      "content-length": Buffer.byteLength(answer.body),
    };
    if (answer.retryAfterSeconds !== undefined) headers["retry-after"] = String(answer.retryAfterSeconds);
    // A body that was not read to its end makes the connection useless.
    if (!request.readableEnded) headers.connection = "close";
    response.writeHead(answer.status, headers).end(answer.body, () => {
      if (!request.readableEnded) request.socket.destroySoon();
    });
  }

  /** Who is calling is known before a body is read: strangers cannot fill our memory. @throws {Refusal} */
  async #answer(route: Route, parameters: Record<string, string>, incoming: IncomingMessage): Promise<RouteResponse> {
    const { headers, socket } = incoming;
    const address = socket.remoteAddress ?? "";
    const request = async (): Promise<RouteRequest> => {
      const body = await readBody(incoming, route.bodyBytesMax);
      if (body !== undefined) return { headers, parameters, body, address };
      throw Refusal.of("tooLarge", 413, `at most ${route.bodyBytesMax} bytes are taken here: send less`);
    };
    if (route.access === "anyone") {
      await request();
      return route.answer(this.#deps);
    }
    const credentials = { headers, certificate: presentedCertificate(socket as TLSSocket) };
    if (route.access === "node") return route.answer(nodeOf(credentials.certificate, this.#deps), await request());
    const node = route.about({ headers, parameters });
    if (route.access === "askers" && !mayAsk(node, credentials)) return NODE_NOT_FOUND;
    if (!this.#requests.take(networkOf(address)))
      throw Refusal.of("tooManyRequests", 429, `too many requests from ${address}: try again later`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    if (typeof node !== "string" || !isNodeName(node))
      throw Refusal.of(
        "badNodeName",
        400,
        `header NodeName: ${JSON.stringify(node ?? "")} is not a node name: use lower-case letters, digits, "-" and "."`,
      );
    try {
      const caller = await callerFor(node, credentials, this.#deps, this.signal);
      return await route.answer(caller, await request(), this.#deps, this.signal);
    } catch (error) {
      if (route.access === "askers" && error instanceof Refusal) return NODE_NOT_FOUND;
      throw error;
    }
  }

  /** The answer tells the cause and what to do; so do our log and, for who wanted to join, an Event. */
  #refuse(
    error: unknown,
    route: Route,
    parameters: Record<string, string>,
    { headers, socket }: IncomingMessage,
  ): Answer {
    const { events, logger, clock } = this.#deps;
    const { remoteAddress: address = "" } = socket;
    const facts = { path: route.path, remote: address };
    if (!(error instanceof Refusal)) {
      if (!this.signal.aborted) logger.error({ ...facts, error: toError(error) }, "request failed");
      return isRetryable(error)
        ? {
            status: 503,
            body: "cloudcore cannot do this at the moment, see its log: try again",
            retryAfterSeconds: RETRY_AFTER_SECONDS,
          }
        : { status: 500, body: "cloudcore failed to do this: see its log" };
    }
    const { httpStatus: status, code, aboutTime, retryAfterSeconds } = error.details;
    if (this.#refusals.take(networkOf(address))) {
      const node = route.access === "joiner" ? route.about({ headers, parameters }) : undefined;
      logger.warn({ ...facts, node, status, code }, `refused: ${error.message}`);
      if (typeof node === "string" && code !== "tooManyRequests") events.joinRefused(node, address, error.message);
    }
    const time = aboutTime === true ? ` (the time here is ${isoTime(clock.now())})` : "";
    return { status, body: `${error.message}${time}`, retryAfterSeconds };
  }

  protected override async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

function secureContext({ cert, key, ca }: TlsIdentity): SecureContextOptions {
  // Without `ca` the CA is not named in the handshake, and clients do not know which certificate to present.
  return { cert, key, ca, minVersion: "TLSv1.2" };
}

/** Whether it is worth asking who that is. */
function mayAsk(node: unknown, { headers, certificate }: Credentials): boolean {
  return (
    typeof node === "string" && isNodeName(node) && (headers.authorization !== undefined || certificate !== undefined)
  );
}

/** Stock edges send a body with GET. @returns `undefined` if there is more than allowed; the rest is not read then. */
function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) return void chunks.push(chunk);
      request.pause();
      resolve(undefined);
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => reject(new Error("the client went away")));
  });
}

function presentedCertificate(socket: TLSSocket): X509Certificate | undefined {
  const { raw } = socket.getPeerCertificate();
  return raw === undefined ? undefined : new X509Certificate(raw);
}
