import { toError } from "@kedge/runtime";
import { type Dispatcher, Pool } from "undici";
import { KubeClientError } from "../kube-client-error.ts";
import type { Credential, CredentialSource } from "./credentials.ts";
import type { KubeRequest, KubeResponse, KubeTransport } from "./kube-transport.ts";

/** Connections for requests that end soon; further requests wait for one of them. */
export const REQUEST_CONNECTIONS_MAX = 16;
/** Each watch holds a connection of its own. */
export const WATCH_CONNECTIONS_MAX = 512;
const CONNECT_TIMEOUT_MS = 10_000;
const HEAD_TIMEOUT_MS = 60_000;
const BODY_PAUSE_MS_MAX = 60_000;
const KEEP_ALIVE_MS = 30_000;

export interface UndiciTransportOptions {
  /** `https://host:port`, or with a path before the API's own. */
  readonly server: string;
  /** PEM of the authorities that may sign the server's certificate. Absent: those of the system. */
  readonly serverCa?: string | undefined;
  /** The name in the server's certificate, where it is not the one in `server`. */
  readonly serverName?: string | undefined;
  readonly credentials: CredentialSource;
  readonly requestConnectionsMax?: number | undefined;
}

interface Pools {
  readonly credential: Credential;
  readonly requests: Pool;
  readonly watches: Pool;
}

/** HTTP/1.1 over TLS that is always verified. */
export class UndiciTransport implements KubeTransport {
  readonly server: string;
  readonly #options: UndiciTransportOptions;
  readonly #origin: string;
  readonly #basePath: string;
  #pools: Pools | undefined;

  constructor(options: UndiciTransportOptions) {
    const url = new URL(options.server);
    this.server = options.server;
    this.#options = options;
    this.#origin = url.origin;
    this.#basePath = url.pathname.replace(/\/+$/, "");
  }

  async request(request: KubeRequest): Promise<KubeResponse> {
    const credential = await this.#options.credentials.get(request.signal);
    const response = await this.#send(request, credential);
    if (response.status !== 401) return response;
    // The token may have been replaced since it was read: once more with what the source holds now.
    this.#options.credentials.invalidate();
    const renewed = await this.#options.credentials.get(request.signal);
    if (sameCredential(renewed, credential)) return response;
    await drain(response.body);
    return this.#send(request, renewed);
  }

  async #send(request: KubeRequest, credential: Credential): Promise<KubeResponse> {
    const { method, path, body, signal, streaming = false } = request;
    signal.throwIfAborted();
    const pools = this.#poolsFor(credential);
    const headers: Record<string, string> = { ...request.headers };
    if (credential.bearerToken !== undefined) headers["authorization"] = `Bearer ${credential.bearerToken}`;
    try {
      const response = await (streaming ? pools.watches : pools.requests).request({
        method: method as Dispatcher.HttpMethod,
        path: this.#basePath + path,
        headers,
        body: body ?? null,
        signal,
        headersTimeout: HEAD_TIMEOUT_MS,
        bodyTimeout: streaming ? 0 : BODY_PAUSE_MS_MAX,
      });
      return {
        status: response.statusCode,
        headers: flatHeaders(response.headers),
        body: this.#guarded(response.body, signal),
      };
    } catch (error) {
      throw this.#explained(error, signal);
    }
  }

  async *#guarded(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      throw this.#explained(error, signal);
    }
  }

  #explained(error: unknown, signal: AbortSignal): Error {
    if (signal.aborted) return toError(signal.reason);
    const cause = toError(error);
    return new KubeClientError(
      `cannot reach the Kubernetes API at ${this.server}: ${cause.message}`,
      { code: "Unreachable", server: this.server },
      { cause },
    );
  }

  /** A new client certificate needs new connections; those in use finish on the old one. */
  #poolsFor(credential: Credential): Pools {
    const current = this.#pools;
    if (current !== undefined && sameCertificate(current.credential, credential)) return current;
    if (current !== undefined) for (const pool of [current.requests, current.watches]) void closeQuietly(pool);
    const { serverCa, serverName, requestConnectionsMax = REQUEST_CONNECTIONS_MAX } = this.#options;
    const shared = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      pipelining: 1,
      allowH2: false,
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        keepAlive: true, // a peer that vanished is noticed also where nothing is sent
        rejectUnauthorized: true,
        ...(serverCa === undefined ? {} : { ca: serverCa }),
        ...(serverName === undefined ? {} : { servername: serverName }),
        ...(credential.clientCertificate === undefined ? {} : { cert: credential.clientCertificate }),
        ...(credential.clientKey === undefined ? {} : { key: credential.clientKey }),
      },
    };
    this.#pools = {
      credential,
      requests: new Pool(this.#origin, { ...shared, connections: requestConnectionsMax }),
      watches: new Pool(this.#origin, { ...shared, connections: WATCH_CONNECTIONS_MAX }),
    };
    return this.#pools;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pools = this.#pools;
    this.#pools = undefined;
    if (pools !== undefined) await Promise.all([pools.requests.destroy(), pools.watches.destroy()]);
  }
}

function flatHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  const flat: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(headers)) flat[name] = Array.isArray(value) ? value.join(", ") : value;
  return flat;
}

function sameCertificate(a: Credential, b: Credential): boolean {
  return a.clientCertificate === b.clientCertificate && a.clientKey === b.clientKey;
}

function sameCredential(a: Credential, b: Credential): boolean {
  return a.bearerToken === b.bearerToken && sameCertificate(a, b);
}

async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) if (chunk.length > 64 * 1024) return; // more than an error's text: leave it
}

async function closeQuietly(pool: Pool): Promise<void> {
  try {
    await pool.close();
  } catch {
    // it was closed before
  }
}
