import type { TunnelHeaders } from "@kedge/protocol";
import type { NodeRequest } from "./tunnels.ts";

/** A frame that is not whole yet and is larger is passed on in pieces. */
const HELD_BYTES_MAX = 128 * 1024;
const SPDY_HEAD_BYTES = 8;
/** Clients open the stream for errors first, and count odd numbers from 1. */
const SPDY_ERROR_STREAM = 1;
const SPDY_FIN = 1;
/** Of the WebSocket protocols, `v4.channel.k8s.io` and later: the channel on which a Status ends the command. */
const ERROR_CHANNEL = 3;
const NOTHING = Buffer.alloc(0);

/**
 * Lets only whole frames through, of SPDY or WebSocket, so that after any of them a last word can follow: the Status with which
 * exec and attach end. Without one, clients take the end of a connection for the success of the command.
 */
export class StreamEnding {
  readonly #isCommand: boolean;
  #protocol: "spdy" | "websocket" | undefined;
  #held: Buffer = NOTHING;
  /** Of a large frame that is being passed on in pieces. */
  #missing = 0;

  constructor({ path }: Pick<NodeRequest, "path">) {
    this.#isCommand = path.startsWith("/exec/") || path.startsWith("/attach/");
  }

  /** @param headers of the answer that switches protocols. */
  begin(headers: TunnelHeaders): void {
    const upgrade = valueOf(headers, "upgrade").toLowerCase();
    // What older protocols write as their last word is text, and clients of ours do not speak them.
    const version = /^v(\d)\./.exec(
      valueOf(headers, "x-stream-protocol-version") || valueOf(headers, "sec-websocket-protocol"),
    );
    if (!this.#isCommand || Number(version?.[1] ?? 0) < 4) return;
    if (upgrade === "spdy/3.1") this.#protocol = "spdy";
    if (upgrade === "websocket") this.#protocol = "websocket";
  }

  /** @returns what may be passed on now: whole frames, but for very large ones. */
  whole(piece: Buffer): Buffer {
    if (this.#protocol === undefined) return piece;
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    let end = Math.min(this.#missing, bytes.length);
    this.#missing -= end;
    while (this.#missing === 0) {
      const frameBytes = this.#frameBytes(bytes, end);
      if (frameBytes === undefined || end + frameBytes > bytes.length) {
        if (frameBytes !== undefined && frameBytes > HELD_BYTES_MAX) {
          this.#missing = end + frameBytes - bytes.length;
          end = bytes.length;
        }
        break;
      }
      end += frameBytes;
    }
    this.#held = Buffer.from(bytes.subarray(end)); // a copy: the rest of the piece is not to be kept for it
    return bytes.subarray(0, end);
  }

  /** What was held back when all ended well. */
  rest(): Buffer {
    return this.#held;
  }

  /** The last word after a stream that broke. */
  broken(message: string): Buffer {
    if (this.#protocol === undefined || this.#missing > 0) return NOTHING;
    const status = { metadata: {}, status: "Failure", message, reason: "InternalError", code: 500 };
    const json = Buffer.from(JSON.stringify(status));
    return this.#protocol === "spdy" ? spdyData(json) : webSocketMessage(json);
  }

  /** Of the frame that begins at `start`; undefined: its head is not here yet. */
  #frameBytes(bytes: Buffer, start: number): number | undefined {
    const left = bytes.length - start;
    if (this.#protocol === "spdy")
      return left < SPDY_HEAD_BYTES ? undefined : SPDY_HEAD_BYTES + bytes.readUIntBE(start + 5, 3);
    if (left < 2) return undefined;
    const short = bytes.readUInt8(start + 1) & 0x7f; // a server does not mask
    if (short < 126) return 2 + short;
    if (short === 126) return left < 4 ? undefined : 4 + bytes.readUInt16BE(start + 2);
    return left < 10 ? undefined : 10 + Number(bytes.readBigUInt64BE(start + 2));
  }
}

function spdyData(data: Buffer): Buffer {
  const head = Buffer.alloc(SPDY_HEAD_BYTES);
  head.writeUInt32BE(SPDY_ERROR_STREAM, 0);
  head.writeUInt8(SPDY_FIN, 4);
  head.writeUIntBE(data.length, 5, 3);
  return Buffer.concat([head, data]);
}

function webSocketMessage(data: Buffer): Buffer {
  const payload = Buffer.concat([Buffer.from([ERROR_CHANNEL]), data]);
  const head =
    payload.length < 126
      ? Buffer.from([0x82, payload.length])
      : Buffer.from([0x82, 126, payload.length >> 8, payload.length & 0xff]);
  const close = Buffer.from([0x88, 2, 1000 >> 8, 1000 & 0xff]);
  return Buffer.concat([head, payload, close]);
}

function valueOf(headers: TunnelHeaders, name: string): string {
  return Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1][0] ?? "";
}
