import { isUtf8 } from "node:buffer";
import { isPlainlyModest, measureFirstValue } from "./json-shape.ts";
import type { Message, MessageHeader, MessageRoute } from "./message.ts";
import { ProtocolError } from "./protocol-error.ts";

/** The longest message that either end takes or sends, in bytes of its encoding. */
export const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;

/**
 * The WebSocket text of a message: one JSON value and a line feed. Empty members are left out, `content` never is; bytes
 * become base64, as in Go.
 *
 * @throws {ProtocolError} `MessageTooLarge`
 * @see `cloud-edge-protocol` §3.1.
 */
export function encodeMessage(message: Message): string {
  const { msg_id, parent_msg_id, timestamp, resourceversion, type, seq } = message.header;
  const { source, destination, group, operation, resource } = message.route;
  const content = message.content ?? null;
  const text = JSON.stringify({
    // Go's member order: a recorded conversation can be compared as text. `sync` never travels.
    header: {
      msg_id,
      parent_msg_id: parent_msg_id || undefined,
      timestamp,
      resourceversion: resourceversion || undefined,
      type: type || undefined,
      seq,
    },
    route: {
      source: source || undefined,
      destination: destination || undefined,
      group: group || undefined,
      operation: operation || undefined,
      resource: resource || undefined,
    },
    content: content instanceof Uint8Array ? Buffer.from(content).toString("base64") : content,
  });
  // A character is three bytes at most: few texts need to be counted.
  const bytes = text.length * 3 < MESSAGE_BYTES_MAX ? 0 : Buffer.byteLength(text);
  if (bytes >= MESSAGE_BYTES_MAX) throw tooLarge(bytes);
  return `${text}\n`;
}

/**
 * Reads the first JSON value of a WebSocket message, text or binary, and ignores what follows it and members that it
 * does not know. Of a member that comes twice the last counts, as in Go. Numbers are doubles: the nearest one stands for
 * an integer beyond 2^53, and one beyond 10^308 is infinite, and `null` when it is passed on. No type of the protocol or of
 * Kubernetes has such numbers; of custom resources, those with 64-bit integers may.
 *
 * @throws {ProtocolError} `EmptyMessage`, `MessageTooLarge`, `MessageTooComplex`: beyond `JSON_DEPTH_MAX` or
 * `JSON_VALUES_MAX`; `InvalidUtf8`, `InvalidJson`; `InvalidMember` if a member of header or
 * route has another type than a peer may send.
 */
export function decodeMessage(data: string | Uint8Array): Message {
  const bytes = data.length;
  if (bytes > MESSAGE_BYTES_MAX) throw tooLarge(bytes);
  const value = parseFirstJson(typeof data === "string" ? data : readText(data));
  const object = memberObject(value, "message");
  return {
    header: readHeader(memberObject(object["header"] ?? {}, "header")),
    route: readRoute(memberObject(object["route"] ?? {}, "route")),
    content: object["content"] ?? null,
  };
}

function readText(data: Uint8Array): string {
  if (!isUtf8(data)) throw new ProtocolError("the peer sent a message that is not UTF-8", { code: "InvalidUtf8" });
  return Buffer.from(data.buffer, data.byteOffset, data.length).toString("utf8");
}

function readHeader(header: Record<string, unknown>): MessageHeader {
  const sync = header["sync"] ?? undefined;
  if (sync !== undefined && typeof sync !== "boolean") throw invalidMember("header.sync", sync);
  const timestamp = header["timestamp"] ?? 0;
  if (typeof timestamp !== "number" || !Number.isFinite(timestamp)) throw invalidMember("header.timestamp", timestamp);
  const parent = memberString(header["parent_msg_id"], "header.parent_msg_id");
  const version = memberString(header["resourceversion"], "header.resourceversion");
  const type = memberString(header["type"], "header.type");
  const seq = header["seq"] ?? undefined;
  if (seq !== undefined && !isStreamNumber(seq)) throw invalidMember("header.seq", seq);
  return {
    msg_id: memberString(header["msg_id"], "header.msg_id") ?? "",
    timestamp: Math.trunc(timestamp),
    ...(parent !== undefined && { parent_msg_id: parent }),
    ...(version !== undefined && { resourceversion: version }),
    ...(sync === true && { sync }),
    ...(type !== undefined && { type }),
    ...(seq !== undefined && { seq }),
  };
}

function isStreamNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function readRoute(route: Record<string, unknown>): MessageRoute {
  const read: Record<string, string> = {};
  for (const member of ["source", "destination", "group", "operation", "resource"] as const) {
    const value = memberString(route[member], `route.${member}`);
    if (value !== undefined) read[member] = value;
  }
  return read;
}

/** An absent, `null` or empty member is the same to a Go peer. */
function memberString(value: unknown, member: string): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw invalidMember(member, value);
  return value;
}

function memberObject(value: unknown, member: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalidMember(member, value);
  return value as Record<string, unknown>;
}

function parseFirstJson(text: string): unknown {
  try {
    return JSON.parse(isPlainlyModest(text) ? text : text.slice(0, endOfFirstValue(text)));
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    if (text.trim() === "") throw new ProtocolError("the peer sent an empty message", { code: "EmptyMessage" });
    const end = endOfFirstValue(text);
    try {
      if (end !== undefined) return JSON.parse(text.slice(0, end));
    } catch {
      // Reported below, with the error of the whole text.
    }
    throw new ProtocolError("the peer sent a message that is not JSON", { code: "InvalidJson" }, { cause: error });
  }
}

function endOfFirstValue(text: string): number | undefined {
  const shape = measureFirstValue(text);
  if (shape.fits) return shape.end;
  throw new ProtocolError(`the peer sent a message ${shape.what}`, { code: "MessageTooComplex" });
}

function invalidMember(member: string, value: unknown): ProtocolError {
  const found = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  return new ProtocolError(`the peer sent a message whose ${member} is of type ${found}`, {
    code: "InvalidMember",
    member,
    found,
  });
}

function tooLarge(bytes: number): ProtocolError {
  return new ProtocolError(`a message of ${bytes} bytes is larger than the limit of ${MESSAGE_BYTES_MAX} bytes`, {
    code: "MessageTooLarge",
    bytes,
    bytesMax: MESSAGE_BYTES_MAX,
  });
}
