import { type JsonObject, type JsonValue, ownMember } from "@kedge/kube";
import table from "./kubernetes-messages.json" with { type: "json" };
import { ProtobufError } from "./protobuf-error.ts";
import { SPECIAL_SHAPES } from "./special-shapes.ts";
import { readFields, type WireField } from "./wire-reader.ts";

export const PROTOBUF_MEDIA_TYPE = "application/vnd.kubernetes.protobuf";

/** JSON name, shape, flags; see scripts/protobuf-messages. */
type Field = readonly [name: string, shape: string, flags: string];
type Message = Readonly<Record<string, Field>>;

const KINDS = table.kinds as Readonly<Record<string, string>>;
const MESSAGES = table.messages as unknown as Readonly<Record<string, Message>>;
const MAGIC = Buffer.from("k8s\0");
/** Messages within messages. */
const DEPTH_MAX = 64;

/**
 * Reads an object in Kubernetes' protobuf form: four magic bytes, then `runtime.Unknown` with type, and the object's own
 * message within.
 *
 * @returns the object as its JSON would be.
 * @throws {ProtobufError} `Malformed`; `UnknownKind`: no built-in kind.
 */
export function decodeProtobuf(body: Uint8Array): JsonObject {
  if (!MAGIC.equals(body.subarray(0, MAGIC.length)))
    throw new ProtobufError("Malformed", "the body does not begin like a Kubernetes protobuf message");
  let typeMeta: { apiVersion: string; kind: string } = { apiVersion: "", kind: "" };
  let raw: Uint8Array = new Uint8Array();
  for (const field of readFields(body.subarray(MAGIC.length))) {
    if (field.number === 1) typeMeta = readTypeMeta(field.bytes);
    if (field.number === 2) raw = field.bytes;
  }
  const { apiVersion, kind } = typeMeta;
  // Every group has DeleteOptions, and they are the same everywhere.
  const name = kind === "DeleteOptions" ? KINDS["v1/DeleteOptions"] : ownMember(KINDS, `${apiVersion}/${kind}`);
  if (name === undefined)
    throw new ProtobufError("UnknownKind", `${kind} of ${apiVersion} cannot be read as protobuf: send JSON`);
  return { apiVersion, kind, ...readMessage(name, raw, 0) };
}

function readTypeMeta(bytes: Uint8Array): { apiVersion: string; kind: string } {
  const typeMeta = { apiVersion: "", kind: "" };
  for (const field of readFields(bytes)) {
    if (field.number === 1) typeMeta.apiVersion = textOf(field.bytes);
    if (field.number === 2) typeMeta.kind = textOf(field.bytes);
  }
  return typeMeta;
}

function readMessage(name: string, bytes: Uint8Array, depth: number): JsonObject {
  if (depth > DEPTH_MAX)
    throw new ProtobufError("Malformed", `the object is nested more than ${DEPTH_MAX} levels deep`);
  const message = MESSAGES[name];
  if (message === undefined) throw new Error(`the message table lacks ${name}`);
  const object: JsonObject = {};
  for (const field of readFields(bytes)) {
    const known = ownMember(message, String(field.number));
    if (known !== undefined) addField(object, known, field, depth); // others are of a later Kubernetes
  }
  return object;
}

function addField(object: JsonObject, [name, shape, flags]: Field, field: WireField, depth: number): void {
  if (flags.includes("i")) {
    Object.assign(object, readMessage(shape, field.bytes, depth + 1));
    return;
  }
  if (shape.startsWith("[]")) {
    const list = (object[name] ??= []) as JsonValue[];
    for (const value of elementsOf(shape.slice(2), field, depth)) list.push(value);
    return;
  }
  if (shape.startsWith("{}")) {
    const map = (object[name] ??= {}) as JsonObject;
    const [key, value] = readEntry(shape.slice(2), field.bytes, depth);
    // As JSON.parse does: a key called __proto__ is a key.
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    return;
  }
  const value = readValue(shape, field, depth);
  // The sender writes every field that is no pointer, set or not; JSON leaves out those that are zero.
  if (!flags.includes("p") && isZero(value, flags.includes("o"))) return;
  object[name] = value ?? null;
}

function isZero(value: JsonValue | undefined, omitted: boolean): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === "object") return Object.keys(value).length === 0;
  return omitted && (value === "" || value === 0 || value === false);
}

/** A list's element; numbers may also come many in one field. */
function elementsOf(shape: string, field: WireField, depth: number): JsonValue[] {
  if (shape === "int" && field.type === "bytes") {
    const numbers: JsonValue[] = [];
    // Packed numbers are varints without tags: give each one.
    let packed = field.bytes;
    while (packed.length > 0) {
      const end = packed.findIndex((byte) => byte < 0x80) + 1;
      if (end === 0) throw new ProtobufError("Malformed", "a packed number does not end");
      for (const { varint } of readFields(Buffer.concat([Buffer.of(8), packed.subarray(0, end)])))
        numbers.push(Number(BigInt.asIntN(64, varint)));
      packed = packed.subarray(end);
    }
    return numbers;
  }
  const value = readValue(shape, field, depth);
  return [value ?? null];
}

function readEntry(shape: string, bytes: Uint8Array, depth: number): [key: string, value: JsonValue] {
  let key = "";
  let value: JsonValue | undefined;
  for (const field of readFields(bytes)) {
    if (field.number === 1) key = textOf(field.bytes);
    if (field.number === 2) value = readValue(shape, field, depth);
  }
  return [key, value ?? (shape === "string" || shape === "bytes" ? "" : null)];
}

function readValue(shape: string, field: WireField, depth: number): JsonValue | undefined {
  const { bytes, varint } = field;
  switch (shape) {
    case "string":
      return textOf(bytes);
    case "bool":
      return varint !== 0n;
    case "int":
      return Number(BigInt.asIntN(64, varint));
    case "double":
      return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(0, true);
    case "bytes":
      return Buffer.from(bytes).toString("base64");
    default: {
      const special = SPECIAL_SHAPES.get(shape);
      return special === undefined ? readMessage(shape, bytes, depth + 1) : special(bytes);
    }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new ProtobufError("Malformed", "a text is not UTF-8", { cause });
  }
}
