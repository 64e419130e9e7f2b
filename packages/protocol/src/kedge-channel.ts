import { ProtocolError } from "./protocol-error.ts";

/**
 * What only our own ends say to each other. An edge offers it in the request that opens the channel, a cloud that knows it
 * agrees in its answer; a stock peer ignores the header, and then all goes as with stock. Decision: `docs/adr/0006`.
 */
export const KEDGE_CHANNEL_HEADER = "Kedge-Channel";
const VERSION = "1";

/** What an edge says when it opens the channel: `1; stream=<uuid>; sent=<number>; link=<uuid>; after=<uuid>`. */
export interface ChannelOffer {
  /** Names this node's outbox; another one (a new database, a restored one) numbers anew. */
  readonly stream: string;
  /** Of what waits, the last number that an earlier link may have carried; 0: none. */
  readonly sent: number;
  /** Names this try to connect. */
  readonly link?: string | undefined;
  /**
   * The link that carried the stream last, as the edge's disk has it. If it is none that the cloud remembers, the stream went
   * on elsewhere: what the cloud remembers of it may be about other messages.
   */
  readonly after?: string | undefined;
}

/** What a cloud answers: `1; epoch=<number>; applied=<number>`. */
export interface ChannelAgreement {
  /** Grows with each session of the node, whichever cloudcore holds it. */
  readonly epoch: number;
  /** All messages of the offered stream up to this number are done; 0: nothing is known of it. */
  readonly applied: number;
}

export function formatOffer({ stream, sent, link, after }: ChannelOffer): string {
  const links = `${link === undefined ? "" : `; link=${link}`}${after === undefined ? "" : `; after=${after}`}`;
  return `${VERSION}; stream=${stream}; sent=${sent}${links}`;
}

export function formatAgreement({ epoch, applied }: ChannelAgreement): string {
  return `${VERSION}; epoch=${epoch}; applied=${applied}`;
}

/** @returns undefined if the header is absent, of another version, or makes no sense: then all goes as with stock. */
export function parseOffer(header: string | string[] | undefined): ChannelOffer | undefined {
  const members = parseHeader(header);
  const stream = members?.get("stream");
  const sent = readNumber(members?.get("sent"));
  if (stream === undefined || sent === undefined || !UUID.test(stream)) return undefined;
  const [link, after] = [readUuid(members?.get("link")), readUuid(members?.get("after"))];
  return { stream, sent, ...(link !== undefined && { link }), ...(after !== undefined && { after }) };
}

/** @returns undefined as {@link parseOffer}. */
export function parseAgreement(header: string | string[] | undefined): ChannelAgreement | undefined {
  const members = parseHeader(header);
  const epoch = readNumber(members?.get("epoch"));
  const applied = readNumber(members?.get("applied"));
  return epoch === undefined || applied === undefined ? undefined : { epoch, applied };
}

const UUID = /^[0-9a-f-]{36}$/;

function readUuid(text: string | undefined): string | undefined {
  return text !== undefined && UUID.test(text) ? text : undefined;
}

function parseHeader(header: string | string[] | undefined): Map<string, string> | undefined {
  if (typeof header !== "string") return undefined;
  const [version, ...members] = header.split(";").map((part) => part.trim());
  if (version !== VERSION) return undefined;
  return new Map(
    members.map((member) => {
      const at = member.indexOf("=");
      return [member.slice(0, at), member.slice(at + 1)];
    }),
  );
}

function readNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Binary WebSocket messages, only after an agreement. The first byte says what follows; text messages stay JSON messages.
 *
 * | first byte | then | direction |
 * | --- | --- | --- |
 * | 1 | a JSON message, Brotli | both |
 * | 2 | number (8 bytes, big-endian): all of the stream up to it is done | down |
 * | 3 | request number (4 bytes): renew my lease | up |
 * | 4 | request number (4 bytes): the lease is renewed | down |
 * | 5 | request number (4 bytes), reason (UTF-8): it is not; ask the long way | down |
 */
export type ControlFrame =
  | { readonly kind: "applied"; readonly upTo: number }
  | { readonly kind: "renewLease"; readonly request: number }
  | { readonly kind: "leaseRenewed"; readonly request: number }
  | { readonly kind: "leaseRefused"; readonly request: number; readonly reason: string };

/** First byte of a compressed message. */
export const FRAME_COMPRESSED = 1;
const FRAME_APPLIED = 2;
const FRAME_RENEW_LEASE = 3;
const FRAME_LEASE_RENEWED = 4;
const FRAME_LEASE_REFUSED = 5;
/** A reason beyond this many bytes is cut. */
const REASON_BYTES_MAX = 512;

export function encodeControlFrame(frame: ControlFrame): Uint8Array {
  switch (frame.kind) {
    case "applied": {
      const bytes = Buffer.alloc(9);
      bytes[0] = FRAME_APPLIED;
      bytes.writeBigUInt64BE(BigInt(frame.upTo), 1);
      return bytes;
    }
    case "renewLease":
      return requestFrame(FRAME_RENEW_LEASE, frame.request);
    case "leaseRenewed":
      return requestFrame(FRAME_LEASE_RENEWED, frame.request);
    case "leaseRefused":
      return Buffer.concat([
        requestFrame(FRAME_LEASE_REFUSED, frame.request),
        Buffer.from(frame.reason).subarray(0, REASON_BYTES_MAX),
      ]);
  }
}

/** @throws {ProtocolError} `BadControlFrame` */
export function decodeControlFrame(data: Uint8Array): ControlFrame {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const [kind] = bytes;
  if (kind === FRAME_APPLIED && bytes.length === 9) {
    const upTo = Number(bytes.readBigUInt64BE(1));
    if (Number.isSafeInteger(upTo)) return { kind: "applied", upTo };
  }
  if (kind === FRAME_RENEW_LEASE && bytes.length === 5) return { kind: "renewLease", request: bytes.readUInt32BE(1) };
  if (kind === FRAME_LEASE_RENEWED && bytes.length === 5)
    return { kind: "leaseRenewed", request: bytes.readUInt32BE(1) };
  if (kind === FRAME_LEASE_REFUSED && bytes.length >= 5 && bytes.length <= 5 + REASON_BYTES_MAX)
    return { kind: "leaseRefused", request: bytes.readUInt32BE(1), reason: bytes.toString("utf8", 5) };
  throw new ProtocolError(`the peer sent a binary message of ${bytes.length} bytes that has no meaning`, {
    code: "BadControlFrame",
    kind: kind ?? -1,
    bytes: bytes.length,
  });
}

function requestFrame(kind: number, request: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = kind;
  bytes.writeUInt32BE(request, 1);
  return bytes;
}
