import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ApiRequest, ApiResponse } from "../http/api-exchange.ts";
import { authorityOf, type NodeConnector, type NodeTarget } from "./node-connector.ts";

/** Say who the caller is, or belong to one hop: neither is the node's to see. */
const NOT_PASSED_ON =
  /^(authorization|cookie|host|content-length|transfer-encoding|keep-alive|te|trailer|proxy-.*|impersonate-.*|x-remote-.*|x-forwarded-.*)$/;

/** Hands the caller's connection to the node, both ways: what is said on it is between them. */
export async function relayUpgrade(
  nodes: NodeConnector,
  target: NodeTarget,
  path: string,
  { method, headers, signal }: ApiRequest,
): Promise<ApiResponse> {
  const upstream = await nodes.connect(target, signal);
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${authorityOf(target)}`];
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !NOT_PASSED_ON.test(name)) lines.push(...headerLines(name, value));
  if (method === "POST") lines.push("Content-Length: 0");
  upstream.write(`${lines.join("\r\n")}\r\n\r\n`);
  return {
    status: 101,
    headers: {},
    body: "",
    takeOver: async (socket: Duplex, head: Buffer) => {
      if (head.length > 0) upstream.write(head);
      await Promise.allSettled([pipeline(socket, upstream), pipeline(upstream, socket)]);
    },
  };
}

/** Protocols are offered in a list, which came in lines of their own and was joined. */
function headerLines(name: string, value: string): string[] {
  const values = name === "x-stream-protocol-version" ? value.split(/\s*,\s*/) : [value];
  return values.map((one) => `${name}: ${one}`);
}

/** What a node answers, piece by piece. */
export function relayedAnswer(answer: IncomingMessage): ApiResponse {
  return {
    status: answer.statusCode ?? 502,
    headers: passedBack(answer.headers),
    body: answer as AsyncIterable<Buffer>,
    isPatient: true,
  };
}

function passedBack(headers: IncomingHttpHeaders): Record<string, string> {
  const { connection: _c, "keep-alive": _k, "transfer-encoding": _t, "content-length": _l, ...others } = headers;
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(others)) if (value !== undefined) passed[name] = [value].flat().join(", ");
  return passed;
}

/** Of a node's complaint, for the message of a Status. */
const COMPLAINT_BYTES_MAX = 2_048;

export async function readComplaint(answer: IncomingMessage): Promise<string> {
  let text = "";
  answer.setEncoding("utf8");
  for await (const part of answer as AsyncIterable<string>) {
    text += part;
    if (text.length >= COMPLAINT_BYTES_MAX) break;
  }
  return text.slice(0, COMPLAINT_BYTES_MAX).trim();
}
