import { ProtocolError } from "./protocol-error.ts";
import { readUvarint, writeUvarint } from "./uvarint.ts";

/** Where the edge dials; the node's side of `cloud-edge-protocol` §9. */
export const TUNNEL_PATH = "/v1/kubeedge/connect";

/** Headers of the upgrade that opens the tunnel. */
export const TunnelHeader = {
  /** The node's name. */
  node: "SessionHostNameOverride",
  /** The node's address; stock clouds find the tunnel by either. */
  internalIP: "SessionInternalIP",
  /** Ours: offered by the edge, answered by the cloud. Decision: `docs/adr/0008`. */
  agreement: "Kedge-Tunnel",
} as const;

/** What both ends say in {@link TunnelHeader}.agreement. */
export const TUNNEL_VERSION = "1";

/** What a frame is; from 16 on only between ends that agreed. @see `docs/adr/0008` */
export const TunnelFrameType = {
  logsConnect: 0,
  execConnect: 1,
  metricConnect: 2,
  data: 3,
  /** The connection is over, as it should be. */
  removeConnect: 4,
  /** With connection id 0: the cloud ends the tunnel; the data says why. */
  closeConnect: 5,
  attachConnect: 6,
  /** Status and headers of the answer. */
  response: 16,
  /** The connection is over, and why. */
  end: 17,
  credit: 18,
  mark: 19,
} as const;

/** A stock end reads so much of a frame and silently drops the rest: nobody may send more. */
export const TUNNEL_FRAME_DATA_BYTES_MAX = 1024 * 1024;
/** Of one WebSocket message: two numbers and the data. */
export const TUNNEL_FRAME_BYTES_MAX = TUNNEL_FRAME_DATA_BYTES_MAX + 20;
/** Of one DATA frame that our ends send, so that many connections share the tunnel fairly. */
export const TUNNEL_DATA_BYTES_MAX = 32 * 1024;

export interface TunnelFrame {
  /** Counted by the cloud from 1, up to 64 bits; 0: the tunnel itself. */
  readonly connectId: bigint;
  /** One of {@link TunnelFrameType}, or one that we do not know: ignore it. */
  readonly type: number;
  readonly data: Uint8Array;
}

/**
 * Reads one frame: connection id, type, data (the rest).
 *
 * @param bytes one WebSocket message.
 * @returns the frame; `data` is a view on `bytes`, not a copy.
 * @throws {ProtocolError} `BadTunnelFrame`: a number does not end or is too large. `MessageTooLarge`. End the tunnel then.
 */
export function readTunnelFrame(bytes: Uint8Array): TunnelFrame {
  const id = readUvarint(bytes, 0);
  const type = readUvarint(bytes, id.end);
  const dataBytes = bytes.length - type.end;
  if (dataBytes > TUNNEL_FRAME_DATA_BYTES_MAX) throw tooLarge(dataBytes);
  return { connectId: id.value, type: Number(type.value), data: bytes.subarray(type.end) };
}

/** The bytes before a frame's data: who has the data in pieces need not join them. */
export function tunnelFrameHead(connectId: bigint, type: number): Uint8Array {
  return Uint8Array.from([...writeUvarint(connectId), ...writeUvarint(BigInt(type))]);
}

/** @throws {ProtocolError} `MessageTooLarge`: a stock end would cut the data without a word. */
export function writeTunnelFrame({ connectId, type, data }: TunnelFrame): Uint8Array {
  if (data.length > TUNNEL_FRAME_DATA_BYTES_MAX) throw tooLarge(data.length);
  const head = tunnelFrameHead(connectId, type);
  const bytes = new Uint8Array(head.length + data.length);
  bytes.set(head);
  bytes.set(data, head.length);
  return bytes;
}

function tooLarge(bytes: number): ProtocolError {
  return new ProtocolError(`a tunnel frame holds ${bytes} bytes, which is more than ${TUNNEL_FRAME_DATA_BYTES_MAX}`, {
    code: "MessageTooLarge",
    bytes,
    bytesMax: TUNNEL_FRAME_DATA_BYTES_MAX,
  });
}
