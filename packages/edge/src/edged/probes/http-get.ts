import { type ClientRequest, type IncomingMessage, request as requestHttp, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import type { Container, HTTPGetAction } from "@kedge/kube";
import { containerPort } from "./container-port.ts";
import { explainNetworkFailure, joinHostPort } from "./network-failure.ts";
import { ProbeError } from "./probe-error.ts";
import { PROBE_OUTPUT_BYTES_MAX } from "./probe-outcome.ts";

/** Which kubelet we look like to servers that care. */
export const KUBELET_VERSION = "1.36";
const REDIRECTS_MAX = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface HttpTarget {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  /** Values by name in lower case. */
  readonly headers: Readonly<Record<string, string[]>>;
}

export interface HttpAnswer {
  readonly status: number;
  /** At most {@link PROBE_OUTPUT_BYTES_MAX} bytes of it. */
  readonly body: string;
}

/** @param podIP where to go if the action names no host. @throws ProbeError */
export function httpTarget(
  action: HTTPGetAction,
  container: Pick<Container, "ports">,
  podIP: string | undefined,
  purpose: "probe" | "lifecycle",
): HttpTarget {
  const { scheme = "HTTP", path = "", httpHeaders = [] } = action;
  const host = action.host === undefined || action.host === "" ? podIP : action.host;
  if (host === undefined) throw new ProbeError("the pod has no address yet", { code: "NoAddress" });
  const headers: Record<string, string[]> = {};
  for (const { name, value } of httpHeaders) (headers[name.toLowerCase()] ??= []).push(value);
  headers["user-agent"] ??= [`kube-${purpose}/${KUBELET_VERSION}`];
  headers["accept"] ??= ["*/*"];
  if (headers["accept"]?.[0] === "") delete headers["accept"];
  return {
    scheme: scheme.toLowerCase() === "https" ? "https" : "http",
    host,
    port: containerPort(action.port, container),
    path: toRequestPath(path),
    headers,
  };
}

/** What may stand in a request line; the rest is escaped, since it is too late to refuse it. */
function toRequestPath(path: string): string {
  const [beforeFragment = ""] = path.split("#", 1);
  const rooted = beforeFragment.startsWith("/") ? beforeFragment : `/${beforeFragment}`;
  return rooted.replaceAll(/[^\x21-\x7e]/gu, encodeURIComponent);
}

export function urlOf({ scheme, host, port, path }: HttpTarget): string {
  return `${scheme}://${joinHostPort(host, port)}${path}`;
}

/**
 * One GET without keep-alive, proxy or look at the server's certificate, as kubelets probe: the pod is whom the user wants
 * asked, and nothing secret is sent. Redirects are followed while they stay on the host.
 *
 * @throws Error whose message says why there is no answer, or the signal's reason.
 */
export async function httpGet(target: HttpTarget, signal: AbortSignal): Promise<HttpAnswer> {
  let at = target;
  for (let hops = 0; ; hops += 1) {
    const response = await answerOf(at, signal);
    const status = response.statusCode ?? 0;
    const next = REDIRECTS.has(status) ? redirected(at, response.headers.location) : undefined;
    if (next === undefined || next.host !== target.host) return { status, body: await bodyOf(response, signal) };
    response.destroy();
    if (hops === REDIRECTS_MAX) throw new Error(`Get "${urlOf(next)}": stopped after ${REDIRECTS_MAX} redirects`);
    at = next;
  }
}

/** @returns `undefined`: it does not say where to, or nothing that can be followed. */
function redirected(from: HttpTarget, location: string | undefined): HttpTarget | undefined {
  const url = location === undefined ? null : URL.parse(location, urlOf(from));
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return undefined;
  const scheme = url.protocol === "https:" ? "https" : "http";
  const { host: _, ...headers } = from.headers;
  return {
    scheme,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port),
    path: url.pathname + url.search,
    headers: /^[a-z]+:/i.test(location ?? "") ? headers : from.headers,
  };
}

function answerOf(target: HttpTarget, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { scheme, host, port, path, headers } = target;
  const options: RequestOptions = {
    host,
    port,
    path,
    headers: flatten(headers),
    agent: false,
    signal,
    insecureHTTPParser: true,
  };
  let request: ClientRequest;
  try {
    request =
      scheme === "http"
        ? requestHttp(options)
        : requestHttps({ ...options, rejectUnauthorized: false, servername: isIP(host) === 0 ? host : "" });
  } catch (error) {
    reject(error as Error); // a header that cannot be sent
    return promise;
  }
  request.on("response", resolve);
  request.on("error", (error) => {
    const address = joinHostPort(host, port);
    reject(
      signal.aborted
        ? error
        : new Error(`Get "${urlOf(target)}": ${explainNetworkFailure(error, address)}`, { cause: error }),
    );
  });
  request.end();
  return promise;
}

/** Some headers, `host` among them, may not be lists. */
function flatten(headers: HttpTarget["headers"]): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values]),
  );
}

async function bodyOf(response: IncomingMessage, signal: AbortSignal): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.byteLength;
      if (bytes >= PROBE_OUTPUT_BYTES_MAX) break; // ends the response, too
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return Buffer.concat(parts).subarray(0, PROBE_OUTPUT_BYTES_MAX).toString();
}
