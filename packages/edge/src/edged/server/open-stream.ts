import type { IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { toError } from "@kedge/runtime";
import { KubeletError } from "./kubelet-error.ts";
import type { KubeletAnswer, KubeletHeaders, KubeletRequest } from "./kubelet-request.ts";

/** Of what the client says, so much concerns the runtime's streaming server: no credentials, no cookies. */
const PASSED_ON = [
  "connection",
  "upgrade",
  "x-stream-protocol-version",
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
] as const;
/** The runtime answers at once, or not at all. */
const OPEN_MS = 30_000;
/** Of a refusal. */
const REFUSAL_CHARS_MAX = 4_096;

/**
 * Hands an upgrade on to the streaming server of the container runtime, which speaks SPDY and WebSocket.
 *
 * @param url as CRI's Exec, Attach or PortForward gave it: it holds a token that serves once.
 */
export async function openStream(url: string, { method, headers, signal }: KubeletRequest): Promise<KubeletAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<KubeletAnswer>();
  const passed: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = headers[name];
    if (value !== undefined) passed[name] = value;
  }
  const target = new URL(url);
  if (target.protocol !== "http:")
    throw KubeletError.runtimeFailed(`the container runtime streams over ${target.protocol}, which is not supported`);
  const outgoing = httpRequest(target, { method, headers: { ...passed, "content-length": "0" }, agent: false });
  outgoing.setTimeout(OPEN_MS, () => outgoing.destroy(new Error(`no answer within ${OPEN_MS / 1000} s`)));
  const leave = () => outgoing.destroy();
  signal.addEventListener("abort", leave, { once: true });
  outgoing.on("upgrade", (response: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.setTimeout(0);
    if (head.length > 0) socket.unshift(head);
    resolve({ status: 101, headers: headersOf(response), body: "", stream: socket });
  });
  outgoing.on("response", (response) => {
    let body = "";
    response.setEncoding("utf8");
    response.on("data", (text: string) => void (body = (body + text).slice(0, REFUSAL_CHARS_MAX)));
    response.on("error", reject);
    response.on("end", () => resolve({ status: response.statusCode ?? 502, headers: headersOf(response), body }));
  });
  outgoing.on("error", (error) => reject(error));
  outgoing.end();
  try {
    return await promise;
  } catch (error) {
    signal.throwIfAborted();
    const { message } = toError(error);
    throw KubeletError.runtimeFailed(`the container runtime's streaming server does not answer: ${message}`, error);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

/** Without those that speak of this one connection's transfer. */
function headersOf({ rawHeaders }: IncomingMessage): KubeletHeaders {
  const headers: Record<string, string[]> = {};
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    if (name === "transfer-encoding" || name === "content-length" || name === "date") continue;
    (headers[name] ??= []).push(rawHeaders[index + 1] ?? "");
  }
  return headers;
}
