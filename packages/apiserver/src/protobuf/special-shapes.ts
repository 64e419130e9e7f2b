import type { JsonValue } from "@kedge/kube";
import { ProtobufError } from "./protobuf-error.ts";
import { readFields } from "./wire-reader.ts";

/** Messages whose JSON is not their fields. */
export const SPECIAL_SHAPES: ReadonlyMap<string, (bytes: Uint8Array) => JsonValue | undefined> = new Map([
  ["time", (bytes: Uint8Array) => readTime(bytes, 0)],
  ["microTime", (bytes: Uint8Array) => readTime(bytes, 6)],
  ["duration", readDuration],
  ["quantity", readFirstText],
  ["intOrString", readIntOrString],
  ["rawJson", readRawJson],
  ["strings", readStrings],
]);

function numbersOf(bytes: Uint8Array): Map<number, bigint> {
  return new Map([...readFields(bytes)].map(({ number, varint }) => [number, BigInt.asIntN(64, varint)]));
}

/** Seconds and nanoseconds; nothing at all is no time. */
function readTime(bytes: Uint8Array, fractionDigits: number): JsonValue | undefined {
  if (bytes.length === 0) return undefined;
  const fields = numbersOf(bytes);
  const date = new Date(Number(fields.get(1) ?? 0n) * 1000);
  if (Number.isNaN(date.getTime())) throw new ProtobufError("Malformed", "a time is out of range");
  const seconds = date.toISOString().slice(0, 19);
  const nanos = String(fields.get(2) ?? 0n).padStart(9, "0");
  return fractionDigits === 0 ? `${seconds}Z` : `${seconds}.${nanos.slice(0, fractionDigits)}Z`;
}

/** Nanoseconds, written as Go writes durations. */
function readDuration(bytes: Uint8Array): JsonValue {
  return `${Number(numbersOf(bytes).get(1) ?? 0n) / 1e9}s`;
}

function readFirstText(bytes: Uint8Array): JsonValue {
  for (const field of readFields(bytes)) if (field.number === 1) return Buffer.from(field.bytes).toString();
  return "0";
}

function readIntOrString(bytes: Uint8Array): JsonValue {
  let isText = false;
  let number = 0;
  let text = "";
  for (const field of readFields(bytes)) {
    if (field.number === 1) isText = field.varint === 1n;
    if (field.number === 2) number = Number(BigInt.asIntN(64, field.varint));
    if (field.number === 3) text = Buffer.from(field.bytes).toString();
  }
  return isText ? text : number;
}

function readRawJson(bytes: Uint8Array): JsonValue | undefined {
  for (const field of readFields(bytes)) {
    if (field.number !== 1 || field.bytes.length === 0) continue;
    try {
      return JSON.parse(Buffer.from(field.bytes).toString()) as JsonValue;
    } catch (cause) {
      throw new ProtobufError("Malformed", "an embedded object is not JSON", { cause });
    }
  }
  return undefined;
}

function readStrings(bytes: Uint8Array): JsonValue {
  return [...readFields(bytes)].map((field) => Buffer.from(field.bytes).toString());
}
