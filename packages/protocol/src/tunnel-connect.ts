import { ProtocolError } from "./protocol-error.ts";

/** As Go's `http.Header`: canonical names, lists of values. */
export type TunnelHeaders = Readonly<Record<string, readonly string[]>>;

/** Where a stock cloud says that every request goes. */
export const TUNNEL_TARGET_HOST = "127.0.0.1:10350";

/** Request to the node's kubelet endpoint, as a connect frame carries it. */
export interface TunnelConnect {
  /** The frame's connection id. */
  readonly connectId: bigint;
  /** `http`, and {@link TUNNEL_TARGET_HOST}: whatever else there is refused by the edge. */
  readonly scheme: string;
  readonly host: string;
  /** Decoded: `/containerLogs/default/web/app`. */
  readonly path: string;
  /** Still escaped, without `?`: `follow=true&tailLines=10`. */
  readonly query: string;
  readonly headers: TunnelHeaders;
  /** Absent in logs and metrics of stock: GET. */
  readonly method?: string | undefined;
  /** Between our own ends: go on where an earlier connection was cut. @see `docs/adr/0008` */
  readonly resume?: TunnelResume | undefined;
}

export interface TunnelResume {
  /** The last that came. */
  readonly mark: string;
  /** Of DATA, that came after it. */
  readonly bytes: number;
}

/** Of a MARK frame. */
export const TUNNEL_MARK_BYTES_MAX = 512;

const [encoder, decoder] = [new TextEncoder(), new TextDecoder("utf-8", { fatal: true })];

/** The data of a connect frame: members and their order as stock writes them. */
export function encodeTunnelConnect(connect: TunnelConnect): Uint8Array {
  const { connectId, scheme, host, path, query, headers, method, resume } = connect;
  const url = {
    Scheme: scheme,
    Opaque: "",
    User: null,
    Host: host,
    Path: path,
    RawPath: "",
    OmitHost: false,
    ForceQuery: false,
    RawQuery: query,
    Fragment: "",
    RawFragment: "",
  };
  const json = {
    url,
    header: headers,
    ...(method !== undefined && { method }),
    ...(resume !== undefined && { resume }),
  };
  // A number beyond 2^53 must come out in full, which JSON.stringify cannot do.
  return encoder.encode(`{"MessID":${connectId},${goJson(json).slice(1)}`);
}

/**
 * @param connectId the frame's, which counts; the number in the JSON is the same.
 * @throws {ProtocolError} `BadTunnelConnect`: it is no JSON, or lacks what a request needs.
 */
export function decodeTunnelConnect(connectId: bigint, data: Uint8Array): TunnelConnect {
  const json = parse(data);
  const url = json["url"];
  if (!isObject(url)) throw bad("url");
  const [method, resume] = [json["method"], readResume(json["resume"])];
  if (method !== undefined && typeof method !== "string") throw bad("method");
  return {
    connectId,
    scheme: text(url, "Scheme"),
    host: text(url, "Host"),
    path: text(url, "Path"),
    query: text(url, "RawQuery"),
    headers: readTunnelHeaders(json["header"]),
    ...(method !== undefined && { method }),
    ...(resume !== undefined && { resume }),
  };
}

/** What the edge's kubelet endpoint answered. */
export interface TunnelResponse {
  readonly status: number;
  readonly headers: TunnelHeaders;
}

export function encodeTunnelResponse({ status, headers }: TunnelResponse): Uint8Array {
  return encoder.encode(JSON.stringify({ status, header: headers }));
}

/** @throws {ProtocolError} `BadTunnelConnect` */
export function decodeTunnelResponse(data: Uint8Array): TunnelResponse {
  const json = parse(data);
  const status = json["status"];
  if (typeof status !== "number" || !Number.isInteger(status) || status < 100 || status > 999) throw bad("status");
  return { status, headers: readTunnelHeaders(json["header"]) };
}

/** Why a connection ended otherwise than it should. */
export type TunnelEndCode =
  | "TooManySessions"
  | "Refused"
  | "Failed"
  | "Cut"
  | "LogGone"
  | "FlowViolation"
  | "Stopping"
  | (string & {});

export interface TunnelEnd {
  readonly code: TunnelEndCode;
  /** For the user to read. */
  readonly message: string;
}

/** A message beyond this is cut. */
const END_MESSAGE_CHARS_MAX = 2_000;

export function encodeTunnelEnd({ code, message }: TunnelEnd): Uint8Array {
  return encoder.encode(JSON.stringify({ code, message: message.slice(0, END_MESSAGE_CHARS_MAX) }));
}

/** @throws {ProtocolError} `BadTunnelConnect` */
export function decodeTunnelEnd(data: Uint8Array): TunnelEnd {
  const json = parse(data);
  return { code: text(json, "code"), message: text(json, "message").slice(0, END_MESSAGE_CHARS_MAX) };
}

/** Stock escapes what HTML could mistake, so that a capture reads the same. */
function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function parse(data: Uint8Array): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(decoder.decode(data));
    if (isObject(json)) return json;
  } catch {
    // told below
  }
  throw bad("JSON");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(object: Record<string, unknown>, member: string): string {
  const value = object[member];
  if (typeof value !== "string") throw bad(member);
  return value;
}

function readTunnelHeaders(header: unknown): TunnelHeaders {
  if (header === null || header === undefined) return {}; // Go's empty map
  if (!isObject(header)) throw bad("header");
  const headers: Record<string, readonly string[]> = Object.create(null) as Record<string, readonly string[]>;
  for (const [name, values] of Object.entries(header)) {
    if (!Array.isArray(values) || !values.every((value) => typeof value === "string")) throw bad("header");
    headers[name] = values;
  }
  return headers;
}

function readResume(resume: unknown): TunnelResume | undefined {
  if (resume === undefined || resume === null) return undefined;
  if (!isObject(resume)) throw bad("resume");
  const bytes = resume["bytes"];
  const mark = text(resume, "mark");
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 0) throw bad("resume");
  if (Buffer.byteLength(mark) > TUNNEL_MARK_BYTES_MAX) throw bad("resume");
  return { mark, bytes };
}

function bad(member: string): ProtocolError {
  return new ProtocolError(`a tunnel frame has no usable ${member}`, { code: "BadTunnelConnect", member });
}
