import { ProtobufError } from "./protobuf-error.ts";

export type WireType = "varint" | "fixed64" | "bytes" | "fixed32";

/** A field of a message, still undecoded. */
export interface WireField {
  readonly number: number;
  readonly type: WireType;
  /** Of a varint: its 64 bits. */
  readonly varint: bigint;
  /** Of the others: a view on the message. */
  readonly bytes: Uint8Array;
}

const WIRE_TYPES: readonly (WireType | undefined)[] = ["varint", "fixed64", "bytes", undefined, undefined, "fixed32"];
/** Of one number on the wire: 64 bits. */
const VARINT_BYTES_MAX = 10;
const NOTHING = new Uint8Array();

/** The fields of one protobuf message, in their order. @throws {ProtobufError} `Malformed` */
export function* readFields(message: Uint8Array): Generator<WireField> {
  let position = 0;

  function varint(): bigint {
    let value = 0n;
    for (let i = 0; i < VARINT_BYTES_MAX; i += 1) {
      const byte = message[position];
      if (byte === undefined) break;
      position += 1;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError("Malformed", "a number does not end");
  }

  function take(count: number): Uint8Array {
    if (count > message.length - position) throw new ProtobufError("Malformed", "a field is longer than its message");
    position += count;
    return message.subarray(position - count, position);
  }

  while (position < message.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    const type = WIRE_TYPES[Number(tag & 7n)];
    switch (type) {
      case "varint":
        yield { number, type, varint: varint(), bytes: NOTHING };
        break;
      case "bytes":
        yield { number, type, varint: 0n, bytes: take(Number(varint())) };
        break;
      case "fixed64":
        yield { number, type, varint: 0n, bytes: take(8) };
        break;
      case "fixed32":
        yield { number, type, varint: 0n, bytes: take(4) };
        break;
      case undefined:
        throw new ProtobufError("Malformed", `field ${number} has an unknown wire type`);
    }
  }
}
