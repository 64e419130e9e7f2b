import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { CodedError, Component, type Logger, toError } from "@kedge/runtime";
import type { KeyPairPem } from "../tls/certificate-authority.ts";
import type { ApiResponse } from "./api-exchange.ts";
import { readRequestBody } from "./read-request-body.ts";

/** All headers of a request together. */
export const HEADER_BYTES_MAX = 64 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
/** From the first byte of a request to the last of its body. */
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 75_000;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
/** Further ones are closed at once. */
export const CONNECTIONS_MAX = 4096;
/** A reader that takes nothing for so long is cut off; its client begins anew. */
const STALLED_READER_MS_MAX = 60_000;

/** How long a stopping server waits for requests under way. */
const STOP_MS_MAX = 5_000;

/** A request as it came over the wire; who asks is still to be found out. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Only once it is known who sends it: nobody unknown fills our memory. @throws KubeApiError `RequestEntityTooLarge` */
  readonly readBody: () => Promise<Uint8Array>;
  readonly socket: TLSSocket;
  readonly signal: AbortSignal;
}

export interface HttpsServerConfig {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly certificate: KeyPairPem;
  /** Who signs the certificates of clients. */
  readonly clientCaPem: string;
}

export interface HttpsServerDeps {
  readonly logger: Logger;
  /** Answers also when it refuses; never throws. */
  readonly respond: (request: WireRequest) => Promise<ApiResponse>;
}

export class ListenError extends CodedError<{
  readonly code: "CannotListen";
  readonly address: string;
  readonly port: number;
}> {}

/** HTTP/1.1 over TLS, with a limit on everything that a caller could stretch. */
export class HttpsServer extends Component {
  readonly #server: Server;
  readonly #secureContext: SecureContextOptions;
  readonly #deps: HttpsServerDeps;
  readonly #sockets = new Set<Socket>();
  readonly #serving = new Set<Promise<void>>();

  private constructor(server: Server, secureContext: SecureContextOptions, deps: HttpsServerDeps) {
    super();
    this.#server = server;
    this.#secureContext = secureContext;
    this.#deps = deps;
    server.on("request", (request, response) => {
      const served = this.#serve(request, response);
      this.#serving.add(served);
      void served.finally(() => this.#serving.delete(served));
    });
    server.on("upgrade", (request, socket, head) => {
      const served = this.#upgrade(request, socket as TLSSocket, head);
      this.#serving.add(served);
      void served.finally(() => this.#serving.delete(served));
    });
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    server.on("tlsClientError", (error) => deps.logger.debug({ error }, "TLS handshake failed"));
    server.on("clientError", (_error, socket) => void socket.destroy());
  }

  /** @throws {ListenError} the port is taken, or the address is none of this machine's. */
  static async start(config: HttpsServerConfig, deps: HttpsServerDeps): Promise<HttpsServer> {
    const secureContext: SecureContextOptions = { ca: config.clientCaPem, minVersion: "TLSv1.2" };
    const server = createServer({
      ...secureContext,
      key: config.certificate.keyPem,
      cert: config.certificate.certPem,
      requestCert: true,
      rejectUnauthorized: false, // a bearer token may do instead; whether the certificate is good is asked for each request
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
    });
    server.maxConnections = CONNECTIONS_MAX;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        const { address, port } = config;
        const why = error.code === "EADDRINUSE" ? "another program has it: choose another port" : error.message;
        reject(
          new ListenError(
            `cannot listen on ${address}:${port}: ${why}`,
            { code: "CannotListen", address, port },
            { cause: error },
          ),
        );
      });
      server.listen(config.port, config.address, resolve);
    });
    return new HttpsServer(server, secureContext, deps);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** For connections from now on. */
  setCertificate({ certPem, keyPem }: KeyPairPem): void {
    this.#server.setSecureContext({ ...this.#secureContext, cert: certPem, key: keyPem });
  }

  protected override async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // Requests under way end by themselves, watches by the signal; a caller who does not read is not waited for long.
    const impatient = setTimeout(() => this.#destroySockets(), STOP_MS_MAX);
    await Promise.allSettled(this.#serving);
    clearTimeout(impatient);
    this.#destroySockets();
    await closed;
  }

  #destroySockets(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Who asks for another protocol gets the connection for it, or an answer as always. */
  async #upgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): Promise<void> {
    const left = new AbortController();
    socket.on("error", () => undefined); // `close` follows
    socket.once("close", () => left.abort());
    const signal = AbortSignal.any([this.signal, left.signal]);
    const stop = () => void socket.destroy();
    try {
      const answer = await this.#deps.respond({
        method: request.method ?? "GET",
        ...splitUrl(request.url ?? "/"),
        headers: request.headers as Record<string, string | undefined>,
        readBody: () => Promise.resolve(new Uint8Array()), // what follows is not HTTP any more
        socket,
        signal,
      });
      this.signal.addEventListener("abort", stop, { once: true });
      if (answer.takeOver !== undefined) await answer.takeOver(socket, head);
      else await refuseUpgrade(answer, socket);
    } catch (error) {
      if (!signal.aborted) this.#deps.logger.warn({ error: toError(error), url: request.url }, "connection cut off");
      socket.destroy();
    } finally {
      this.signal.removeEventListener("abort", stop);
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const left = new AbortController();
    response.on("close", () => left.abort());
    const signal = AbortSignal.any([this.signal, left.signal]);
    try {
      const { path, query } = splitUrl(request.url ?? "/");
      const answer = await this.#deps.respond({
        method: request.method ?? "GET",
        path,
        query,
        headers: request.headers as Record<string, string | undefined>,
        readBody: () =>
          readRequestBody(request).catch((error: unknown) => {
            response.shouldKeepAlive = false; // the rest of the body is still to come, and unwanted
            throw error;
          }),
        socket: request.socket as TLSSocket,
        signal,
      });
      await send(answer, request.method === "HEAD", response, signal);
    } catch (error) {
      if (!signal.aborted) this.#deps.logger.warn({ error: toError(error), url: request.url }, "response cut off");
      response.destroy();
    }
  }
}

function splitUrl(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf("?");
  if (mark === -1) return { path: url, query: new URLSearchParams() };
  return { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) };
}

/** The answer to a request for another protocol that is not given: as any other, and the last on its connection. */
async function refuseUpgrade({ status, headers, body }: ApiResponse, socket: TLSSocket): Promise<void> {
  const isWhole = typeof body === "string" || body instanceof Uint8Array;
  // A stream that might never end is not given on a connection that asked for something else.
  const bytes = Buffer.from(isWhole ? body : "nothing here speaks that protocol: leave out Connection: Upgrade\n");
  const code = isWhole ? status : 400;
  const lines = [`HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ""}`, "connection: close"];
  if (isWhole) for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  lines.push(`content-length: ${bytes.length}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  await new Promise<void>((resolve) => socket.end(bytes, resolve));
}

async function send(
  { status, headers, body, isPatient = false }: ApiResponse,
  headOnly: boolean,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  if (typeof body === "string" || body instanceof Uint8Array) {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    response.writeHead(status, { ...headers, "content-length": bytes.length });
    await ended(response, headOnly ? undefined : bytes);
    return;
  }
  response.writeHead(status, headers);
  response.flushHeaders(); // so that the caller of a watch knows it has begun
  for await (const part of body)
    if (!response.write(part)) await drained(response, isPatient ? undefined : STALLED_READER_MS_MAX, signal);
  await ended(response);
}

/** Sends the last bytes; also resolves when the caller has left, who will not tell us that they arrived. */
async function ended(response: ServerResponse, bytes?: Uint8Array): Promise<void> {
  if (response.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("close", resolve);
  response.end(bytes, resolve);
  await promise;
}

async function drained(response: ServerResponse, waitMs: number | undefined, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const give = () => reject(new Error(`the reader took nothing for ${waitMs} ms`));
  const timer = waitMs === undefined ? undefined : setTimeout(give, waitMs);
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  response.once("drain", resolve);
  try {
    signal.throwIfAborted();
    await promise;
  } finally {
    clearTimeout(timer);
    response.off("drain", resolve);
    signal.removeEventListener("abort", onAbort);
  }
}
