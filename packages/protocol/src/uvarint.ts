import { ProtocolError } from "./protocol-error.ts";

const UINT64_MAX = (1n << 64n) - 1n;
/** Of one number on the wire. */
const UVARINT_BYTES_MAX = 10;
/** Seven bits a byte: so many bytes stay exact as a plain number. */
const SMALL_BYTES = 7;

export interface Uvarint {
  readonly value: bigint;
  /** Where the number ends within the bytes. */
  readonly end: number;
}

/**
 * An unsigned number of up to 64 bits, seven bits a byte, least first, as in protobuf.
 *
 * @throws {ProtocolError} `BadTunnelFrame`: it does not end, or is larger than 64 bits.
 */
export function readUvarint(bytes: Uint8Array, start: number): Uvarint {
  let small = 0;
  let large = 0n;
  for (let index = 0; index < UVARINT_BYTES_MAX; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) throw badNumber("does not end", bytes.length);
    const seven = byte & 0x7f;
    if (index < SMALL_BYTES) small += seven * 2 ** (7 * index);
    else large |= BigInt(seven) << BigInt(7 * index);
    if (byte < 0x80) {
      const value = large | BigInt(small);
      if (value > UINT64_MAX) break;
      return { value, end: start + index + 1 };
    }
  }
  throw badNumber("is larger than 64 bits", bytes.length);
}

/** @throws {RangeError} if it is no unsigned number of 64 bits: that is ours to prevent. */
export function writeUvarint(value: bigint): number[] {
  if (value < 0n || value > UINT64_MAX) throw new RangeError(`${value} is no unsigned number of 64 bits`);
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

function badNumber(what: string, bytes: number): ProtocolError {
  return new ProtocolError(`a number in a tunnel frame of ${bytes} bytes ${what}`, { code: "BadTunnelFrame", bytes });
}
