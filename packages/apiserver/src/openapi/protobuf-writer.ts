/** Builds one protobuf message; fields with the default value are left out, as proto3 does. */
export class ProtobufWriter {
  readonly #parts: Uint8Array[] = [];

  string(field: number, value: unknown): this {
    return typeof value === "string" && value !== "" ? this.bytes(field, Buffer.from(value)) : this;
  }

  strings(field: number, values: unknown): this {
    if (Array.isArray(values))
      for (const value of values) if (typeof value === "string") this.bytes(field, Buffer.from(value));
    return this;
  }

  boolean(field: number, value: unknown): this {
    if (value === true) this.#parts.push(varint(field * 8), Uint8Array.of(1));
    return this;
  }

  /** int64, not negative. */
  integer(field: number, value: unknown): this {
    if (typeof value === "number" && value > 0) this.#parts.push(varint(field * 8), varint(value));
    return this;
  }

  double(field: number, value: unknown): this {
    if (typeof value !== "number" || value === 0) return this;
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#parts.push(varint(field * 8 + 1), bytes);
    return this;
  }

  /** A nested message, also an empty one. */
  message(field: number, message: ProtobufWriter): this {
    return this.bytes(field, message.finish());
  }

  bytes(field: number, bytes: Uint8Array): this {
    this.#parts.push(varint(field * 8 + 2), varint(bytes.length), bytes);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
