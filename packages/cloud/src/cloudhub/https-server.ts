import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { Component, type Logger, toError } from "@kedge/runtime";
import type { TlsIdentity } from "@kedge/transport";
import { type Route, type RouteDeps, type RouteResponse, ROUTES } from "./https-routes.ts";

const REQUEST_MS = 30_000;
const HEADER_BYTES_MAX = 16 * 1024;
const CONNECTIONS_MAX = 4_096;

export interface HttpsServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: TlsIdentity;
}

export interface HttpsServerDeps extends RouteDeps {
  readonly logger: Logger;
}

/** Where edges get the CA and their certificates: port 10002. */
export class HttpsServer extends Component {
  readonly #server: Server;
  readonly #deps: HttpsServerDeps;

  private constructor({ tls }: HttpsServerOptions, deps: HttpsServerDeps) {
    super();
    this.#deps = deps;
    this.#server = createServer({
      cert: tls.cert,
      key: tls.key,
      // Without this the CA is not named in the handshake, and clients do not know which certificate to present.
      ca: tls.ca,
      minVersion: "TLSv1.2",
      requestCert: true,
      rejectUnauthorized: false, // each route checks by itself: to join there is no certificate yet
      handshakeTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
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

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const remote = request.socket.remoteAddress;
    response.on("error", () => undefined); // the client went away: nobody is left to tell
    const answer = await this.#answer(request).catch((error: unknown) => {
      this.#deps.logger.error({ path: request.url, error: toError(error) }, "request failed");
      return { status: 500, body: "internal error" };
    });
    if (answer.status >= 400)
      this.#deps.logger.warn(
        {
          path: request.url,
          remote,
          node: request.headers["nodename"],
          status: answer.status,
        },
        `refused: ${answer.body.toString()}`,
      );
    const binary = typeof answer.body !== "string";
    response
      .writeHead(answer.status, {
        "content-type": binary ? "application/octet-stream" : "text/plain; charset=utf-8",
        "content-length": Buffer.byteLength(answer.body),
        // A body that was not read to its end makes the connection useless.
        ...(request.readableEnded ? {} : { connection: "close" }),
      })
      .end(answer.body, () => {
        if (!request.readableEnded) request.socket.destroySoon();
      });
  }

  async #answer(request: IncomingMessage): Promise<RouteResponse> {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const found = findRoute(request.method ?? "", path);
    if (found === undefined) return { status: 404, body: "404 page not found" };
    const body = await readBody(request, found.route.bodyBytesMax);
    if (body === undefined) return { status: 413, body: `at most ${found.route.bodyBytesMax} bytes are taken` };
    const certificate = presentedCertificate(request.socket as TLSSocket);
    return found.route.answer(
      { headers: request.headers, name: found.name, body, certificate },
      this.#deps,
      this.signal,
    );
  }

  protected override async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

function findRoute(method: string, path: string): { route: Route; name: string } | undefined {
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    if (route.path === path) return { route, name: "" };
    const [prefix = "", suffix] = route.path.split("{name}");
    if (suffix === undefined || !path.startsWith(prefix)) continue;
    const name = decode(path.slice(prefix.length));
    if (name !== undefined && name !== "" && !name.includes("/")) return { route, name };
  }
  return undefined;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
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
