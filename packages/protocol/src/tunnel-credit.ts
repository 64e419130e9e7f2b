import { ProtocolError } from "./protocol-error.ts";
import { readUvarint, writeUvarint } from "./uvarint.ts";

/** How many bytes of DATA a direction of a connection begins with. @see `docs/adr/0008` */
export const TUNNEL_WINDOW_BYTES = 256 * 1024;

/** How much may be sent on one direction of a connection. */
export class SendCredit {
  #bytes = TUNNEL_WINDOW_BYTES;

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws {RangeError} if there is not so much: that is ours to prevent. */
  spend(bytes: number): void {
    if (bytes > this.#bytes) throw new RangeError(`${bytes} bytes sent with credit for ${this.#bytes}`);
    this.#bytes -= bytes;
  }

  /** @throws {ProtocolError} `BadCredit`: more than a window would be open. */
  grant(bytes: number): void {
    if (this.#bytes + bytes > TUNNEL_WINDOW_BYTES)
      throw new ProtocolError(`the peer grants ${bytes} bytes, which opens more than a window`, {
        code: "BadCredit",
        bytes,
      });
    this.#bytes += bytes;
  }
}

/** What may still arrive on one direction of a connection, and when to say that there is room again. */
export class ReceiveCredit {
  #open = TUNNEL_WINDOW_BYTES;
  #taken = 0;

  /** @throws {ProtocolError} `BadCredit`: the peer sends more than it may. End the connection with `FlowViolation`. */
  arrived(bytes: number): void {
    if (bytes > this.#open)
      throw new ProtocolError(`the peer sends ${bytes} bytes with credit for ${this.#open}`, {
        code: "BadCredit",
        bytes,
      });
    this.#open -= bytes;
  }

  /** The reader has taken so much. @returns how much to grant now: 0 until half a window has come together. */
  taken(bytes: number): number {
    this.#taken += bytes;
    if (this.#taken < TUNNEL_WINDOW_BYTES / 2) return 0;
    const grant = this.#taken;
    this.#taken = 0;
    this.#open += grant;
    return grant;
  }
}

/** The data of a CREDIT frame. */
export function encodeCredit(bytes: number): Uint8Array {
  return Uint8Array.from(writeUvarint(BigInt(bytes)));
}

/** @throws {ProtocolError} `BadCredit`, `BadTunnelFrame` */
export function decodeCredit(data: Uint8Array): number {
  const { value, end } = readUvarint(data, 0);
  if (end !== data.length || value === 0n || value > BigInt(TUNNEL_WINDOW_BYTES))
    throw new ProtocolError(`a grant of ${value} bytes makes no sense`, { code: "BadCredit", bytes: Number(value) });
  return Number(value);
}
