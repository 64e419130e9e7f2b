import type { IncomingMessage } from "node:http";
import { bodyTooLarge } from "../rest/status-error.ts";
import { REQUEST_BODY_BYTES_MAX } from "./api-exchange.ts";

/** @throws KubeApiError `RequestEntityTooLarge`: {@link REQUEST_BODY_BYTES_MAX}; the connection's error if it breaks. */
export async function readRequestBody(request: IncomingMessage): Promise<Uint8Array> {
  if (Number(request.headers["content-length"] ?? 0) > REQUEST_BODY_BYTES_MAX)
    throw bodyTooLarge(REQUEST_BODY_BYTES_MAX);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > REQUEST_BODY_BYTES_MAX) throw bodyTooLarge(REQUEST_BODY_BYTES_MAX);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
