import { CodedError } from "@kedge/runtime";

export class DbusError extends CodedError<
  | { readonly code: "DbusProtocol" }
  | { readonly code: "DbusTooLarge"; readonly bytes: number }
  | { readonly code: "DbusRefused"; readonly name: string }
  | { readonly code: "DbusClosed" }
> {}

/** Far more than we ask for; a bus allows 128 MiB. */
export const DBUS_MESSAGE_BYTES_MAX = 256 * 1024;
const HEADER_BYTES = 16;
/** Containers within containers. */
const DEPTH_MAX = 16;

export const DBUS_CALL = 1;
export const DBUS_REPLY = 2;
export const DBUS_ERROR = 3;
export const DBUS_SIGNAL = 4;

/** Header fields by their number in the specification. */
const FIELDS = {
  path: 1,
  interface: 2,
  member: 3,
  errorName: 4,
  replySerial: 5,
  destination: 6,
  sender: 7,
  signature: 8,
} as const;
type FieldName = keyof typeof FIELDS;
const FIELD_TYPES: Readonly<Record<FieldName, "o" | "s" | "u" | "g">> = {
  path: "o",
  interface: "s",
  member: "s",
  errorName: "s",
  replySerial: "u",
  destination: "s",
  sender: "s",
  signature: "g",
};

export type DbusValue = string | number | bigint | boolean | readonly DbusValue[];

export interface DbusMessage {
  readonly type: number;
  readonly serial: number;
  readonly fields: Readonly<Partial<Record<FieldName, DbusValue>>>;
  readonly body: readonly DbusValue[];
}

/** @param body of strings, booleans and numbers, as `signature` says: `s`, `b`, `i`, `u`, `t`, `v` of these. */
export function writeDbusMessage(message: Omit<DbusMessage, "body">, signature: string, body: DbusValue[]): Buffer {
  const content = new Writer();
  for (const [index, type] of signature.split("").entries()) content.value(type, body[index] ?? "");
  const fields: Partial<Record<FieldName, DbusValue>> = { ...message.fields, ...(signature !== "" && { signature }) };
  const header = new Writer();
  for (const [name, number] of Object.entries(FIELDS) as [FieldName, number][]) {
    const value = fields[name];
    if (value === undefined) continue;
    header.align(8);
    header.byte(number);
    header.value("g", FIELD_TYPES[name]);
    header.value(FIELD_TYPES[name], value);
  }
  const start = new Writer();
  start.byte("l".charCodeAt(0));
  start.byte(message.type);
  start.byte(0);
  start.byte(1);
  start.value("u", content.length);
  start.value("u", message.serial);
  start.value("u", header.length);
  start.bytes(header.toBuffer());
  start.align(8);
  start.bytes(content.toBuffer());
  return start.toBuffer();
}

/**
 * Reads the first message of `buffer`.
 *
 * @returns `undefined` while it is not whole.
 * @throws DbusError `DbusProtocol`, `DbusTooLarge`
 */
export function readDbusMessage(buffer: Buffer): { readonly message: DbusMessage; readonly bytes: number } | undefined {
  if (buffer.length < HEADER_BYTES) return undefined;
  const order = String.fromCharCode(buffer[0] ?? 0);
  if (order !== "l" && order !== "B") throw new DbusError("not a D-Bus message", { code: "DbusProtocol" });
  const reader = new Reader(buffer, order === "l");
  reader.at = 4;
  const bodyBytes = reader.uint32();
  const serial = reader.uint32();
  const fieldBytes = reader.uint32();
  const bodyAt = Math.ceil((HEADER_BYTES + fieldBytes) / 8) * 8;
  const bytes = bodyAt + bodyBytes;
  if (bytes > DBUS_MESSAGE_BYTES_MAX)
    throw new DbusError(`a D-Bus message of ${bytes} bytes is too large`, { code: "DbusTooLarge", bytes });
  if (buffer.length < bytes) return undefined;

  const fields: Partial<Record<FieldName, DbusValue>> = {};
  while (reader.at < HEADER_BYTES + fieldBytes) {
    reader.align(8);
    const number = reader.byte();
    const value = reader.value("v");
    const name = (Object.keys(FIELDS) as FieldName[]).find((key) => FIELDS[key] === number);
    if (name !== undefined) fields[name] = value;
  }
  reader.at = bodyAt;
  const body = typeof fields.signature === "string" ? reader.values(fields.signature) : [];
  return { message: { type: buffer[1] ?? 0, serial, fields, body }, bytes };
}

class Writer {
  readonly #chunks: Buffer[] = [];
  length = 0;

  bytes(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  byte(value: number): void {
    this.bytes(Buffer.from([value]));
  }

  align(size: number): void {
    const missing = (size - (this.length % size)) % size;
    if (missing > 0) this.bytes(Buffer.alloc(missing));
  }

  value(type: string, value: DbusValue): void {
    switch (type) {
      case "g": {
        const text = String(value);
        this.byte(text.length);
        this.bytes(Buffer.from(`${text}\0`));
        return;
      }
      case "s":
      case "o": {
        const text = Buffer.from(`${String(value)}\0`);
        this.#number(4, (chunk) => chunk.writeUInt32LE(text.length - 1));
        this.bytes(text);
        return;
      }
      case "b":
        return this.#number(4, (chunk) => chunk.writeUInt32LE(value === true ? 1 : 0));
      case "u":
        return this.#number(4, (chunk) => chunk.writeUInt32LE(Number(value)));
      case "i":
        return this.#number(4, (chunk) => chunk.writeInt32LE(Number(value)));
      case "t":
        return this.#number(8, (chunk) => chunk.writeBigUInt64LE(BigInt(value as bigint | number)));
      case "v": {
        const type = typeof value === "bigint" ? "t" : typeof value === "boolean" ? "b" : "s";
        this.value("g", type);
        return this.value(type, value);
      }
      default:
        throw new DbusError(`D-Bus type ${type} is not written here`, { code: "DbusProtocol" });
    }
  }

  #number(size: number, write: (chunk: Buffer) => void): void {
    this.align(size);
    const chunk = Buffer.alloc(size);
    write(chunk);
    this.bytes(chunk);
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

const SIZES: Readonly<Record<string, number>> = { y: 1, n: 2, q: 2, i: 4, u: 4, b: 4, h: 4, x: 8, t: 8, d: 8 };

class Reader {
  readonly #view: DataView;
  readonly #buffer: Buffer;
  readonly #little: boolean;
  at = 0;
  #depth = 0;

  constructor(buffer: Buffer, little: boolean) {
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    this.#little = little;
  }

  align(size: number): void {
    this.at = Math.ceil(this.at / size) * size;
  }

  byte(): number {
    return Number(this.#number("y"));
  }

  uint32(): number {
    return Number(this.#number("u"));
  }

  values(signature: string): DbusValue[] {
    return typesOf(signature).map((type) => this.value(type));
  }

  value(type: string): DbusValue {
    const [kind = ""] = type;
    if (kind === "b") return this.uint32() !== 0;
    if (SIZES[kind] !== undefined) return this.#number(kind);
    if (kind === "s" || kind === "o") return this.#text(this.uint32());
    if (kind === "g") return this.#text(this.byte());
    if (this.#depth >= DEPTH_MAX) throw new DbusError("a D-Bus value nests too deep", { code: "DbusProtocol" });
    this.#depth += 1;
    try {
      if (kind === "v") return this.value(String(this.value("g")));
      if (kind === "a") return this.#array(type.slice(1));
      if (kind !== "(" && kind !== "{")
        throw new DbusError(`D-Bus type ${kind} does not exist`, { code: "DbusProtocol" });
      this.align(8);
      return this.values(type.slice(1, -1));
    } finally {
      this.#depth -= 1;
    }
  }

  #array(type: string): DbusValue[] {
    const bytes = this.uint32();
    this.align(alignmentOf(type));
    const end = this.at + bytes;
    const items: DbusValue[] = [];
    while (this.at < end) {
      const before = this.at;
      items.push(this.value(type));
      if (this.at === before) break; // an empty struct
    }
    return items;
  }

  #number(kind: string): number | bigint {
    const size = SIZES[kind] ?? 1;
    this.align(size);
    const at = this.at;
    this.at += size;
    this.#check();
    if (kind === "y") return this.#view.getUint8(at);
    if (kind === "n") return this.#view.getInt16(at, this.#little);
    if (kind === "q") return this.#view.getUint16(at, this.#little);
    if (kind === "i") return this.#view.getInt32(at, this.#little);
    if (kind === "x") return this.#view.getBigInt64(at, this.#little);
    if (kind === "t") return this.#view.getBigUint64(at, this.#little);
    if (kind === "d") return this.#view.getFloat64(at, this.#little);
    return this.#view.getUint32(at, this.#little);
  }

  #text(bytes: number): string {
    const from = this.at;
    this.at += bytes + 1;
    this.#check();
    return this.#buffer.toString("utf8", from, from + bytes);
  }

  #check(): void {
    if (this.at > this.#buffer.length) throw new DbusError("a D-Bus message ends early", { code: "DbusProtocol" });
  }
}

function alignmentOf(type: string): number {
  const [kind = ""] = type;
  if (kind === "(" || kind === "{") return 8;
  if (kind === "g" || kind === "v") return 1;
  return SIZES[kind] ?? 4;
}

/** The single types of a signature: `a{sv}u` has two. @throws DbusError */
function typesOf(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length;) {
    const end = endOfType(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, at: number): number {
  const kind = signature[at];
  if (kind === "a") return endOfType(signature, at + 1);
  if (kind !== "(" && kind !== "{") {
    if (kind === undefined) throw new DbusError("a D-Bus signature ends early", { code: "DbusProtocol" });
    return at + 1;
  }
  let depth = 0;
  for (let end = at; end < signature.length; end += 1) {
    if (signature[end] === "(" || signature[end] === "{") depth += 1;
    if (signature[end] === ")" || signature[end] === "}") depth -= 1;
    if (depth === 0) return end + 1;
  }
  throw new DbusError("a D-Bus signature ends early", { code: "DbusProtocol" });
}
