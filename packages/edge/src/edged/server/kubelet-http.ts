import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { toError } from "@kedge/runtime";
import type { EndpointToken } from "./endpoint-token.ts";
import { answer, type KubeletAnswer, type KubeletHeaders, type KubeletRequest } from "./kubelet-request.ts";
import { matchKubeletRoute } from "./kubelet-routes.ts";

/** Hands requests over HTTP to the kubelet endpoint: whoever wants more than health must show the node's token. */
export class KubeletHttp implements Disposable {
  /** A server forgets connections that were upgraded, and yet waits for them when it closes. */
  readonly #upgraded = new Set<Duplex>();
  readonly #answerKubelet: (request: KubeletRequest) => Promise<KubeletAnswer>;
  readonly #token: EndpointToken | undefined;

  constructor(answerKubelet: (request: KubeletRequest) => Promise<KubeletAnswer>, token: EndpointToken | undefined) {
    this.#answerKubelet = answerKubelet;
    this.#token = token;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, headers, body } = await this.#answer(request, response);
    response.writeHead(status, toHttp(headers));
    if (typeof body === "string") return void response.end(body);
    response.flushHeaders();
    await pipeline(Readable.from(body, { objectMode: false }), response).catch(() => response.destroy());
  }

  async serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on("error", () => socket.destroy());
    this.#upgraded.add(socket);
    socket.once("close", () => this.#upgraded.delete(socket));
    const { status, headers, body, stream } = await this.#answer(request, socket);
    const lines = Object.entries(headers).flatMap(([name, values]) =>
      (typeof values === "string" ? [values] : values).map((value) => `${name}: ${value}`),
    );
    const text = typeof body === "string" ? body : "";
    if (stream === undefined) lines.push("connection: close", `content-length: ${Buffer.byteLength(text)}`);
    socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, ...lines, "", text].join("\r\n"));
    if (stream === undefined) return void socket.end();
    if (head.length > 0) stream.write(head);
    stream.once("error", () => socket.destroy()).once("close", () => socket.end());
    socket.once("close", () => stream.destroy());
    stream.pipe(socket);
    socket.pipe(stream);
  }

  /** Ends the streams that are open. */
  [Symbol.dispose](): void {
    for (const socket of this.#upgraded) socket.destroy();
  }

  async #answer(request: IncomingMessage, client: ServerResponse | Duplex): Promise<KubeletAnswer> {
    const { method = "GET" } = request;
    const url = URL.parse(request.url ?? "", "http://localhost");
    const path = url === null ? undefined : decoded(url.pathname);
    if (url === null || path === undefined) return answer(400, "no valid path\n");
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers))
      if (value !== undefined) headers[name] = typeof value === "string" ? value : value.join(", ");
    const match = matchKubeletRoute(method, path);
    // Who may not come in does not learn what there is either.
    const open = typeof match !== "string" && match.route.access === "open";
    if (!open && this.#token?.allows(headers["authorization"]) !== true) return unauthorized(this.#token);
    const left = new AbortController();
    client.once("close", () => left.abort());
    try {
      return await this.#answerKubelet({ method, path, query: url.searchParams, headers, signal: left.signal });
    } catch (error) {
      return answer(500, `${toError(error).message}\n`);
    }
  }
}

function unauthorized(token: EndpointToken | undefined): KubeletAnswer {
  const text =
    token === undefined
      ? "Unauthorized: this agent could not make a token for its host's processes; its log says why\n"
      : `Unauthorized: show the token of ${token.path} as "Authorization: Bearer <token>"\n`;
  return {
    ...answer(401, text),
    headers: { "content-type": "text/plain; charset=utf-8", "www-authenticate": "Bearer" },
  };
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function toHttp(headers: KubeletHeaders): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
  );
}
