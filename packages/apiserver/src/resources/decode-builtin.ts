import {
  canonicalQuantity,
  childPath,
  formatQuantity,
  isBase64,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  memberSchema,
  parseQuantity,
  roundQuantityToMillis,
  type SchemaNode,
} from "@kedge/kube";
import { type BuiltinSchema, MICRO_TIME_FORMAT, QUANTITY_FORMAT } from "../openapi/builtin-schemas.ts";
import { DecodeError } from "./decode-error.ts";

/** Deeper objects only serve to exhaust the stack. */
const DEPTH_MAX = 128;

/**
 * Reads an object of a built-in type as Kubernetes' own typed decoder does, in place: unknown members go, nulls count as
 * absent, empty lists and maps that may be absent go, and quantities, times and binary data get their canonical form.
 *
 * @returns the paths of unknown members.
 * @throws DecodeError when a value has another type than its field.
 */
export function decodeBuiltin(object: JsonObject, schema: SchemaNode): string[] {
  const unknown: string[] = [];
  decodeMembers(object, schema, "", unknown, 0);
  return unknown;
}

function decodeMembers(object: JsonObject, schema: SchemaNode, path: string, unknown: string[], depth: number): void {
  if (depth > DEPTH_MAX) throw new DecodeError(path.slice(0, 80), `nests deeper than ${DEPTH_MAX} levels`);
  const keepsUnknown = schema["x-kubernetes-preserve-unknown-fields"] === true;
  for (const [key, value] of Object.entries(object)) {
    const known = memberSchema(schema, key);
    if ((value as JsonValue | undefined) === undefined) {
      delete object[key];
      continue;
    }
    if (known === undefined) {
      if (keepsUnknown) continue;
      delete object[key];
      unknown.push(childPath(path, key));
      continue;
    }
    const decoded = decodeValue(value, known, childPath(path, key), unknown, depth + 1);
    const keep =
      decoded !== undefined &&
      !isOmittedZero(decoded, known) &&
      !(isEmptyCollection(decoded, known) && schema.required?.includes(key) !== true);
    if (keep) object[key] = decoded;
    else if (value === null && schema.properties === undefined && known.type === "string") object[key] = "";
    else delete object[key];
  }
}

/** @returns undefined: as good as absent. */
function decodeValue(
  value: JsonValue,
  schema: SchemaNode,
  path: string,
  unknown: string[],
  depth: number,
): JsonValue | undefined {
  if (schema.type === undefined) return decodeUntyped(value, schema, path);
  if (value === null) return undefined;
  switch (schema.type) {
    case "object":
      if (!isJsonObject(value)) throw mismatch(value, "object", path);
      decodeMembers(value, schema, path, unknown, depth);
      if (isResourceList(schema)) roundAmounts(value);
      return value;
    case "array":
      if (!Array.isArray(value)) throw mismatch(value, "array", path);
      decodeItems(value, schema, path, unknown, depth);
      return value;
    case "string":
      if (typeof value !== "string") throw mismatch(value, "string", path);
      return decodeText(value, schema, path);
    case "integer":
      if (typeof value !== "number" || !Number.isInteger(value))
        throw mismatch(value, schema.format ?? "integer", path);
      return value;
    case "number":
      if (typeof value !== "number") throw mismatch(value, "number", path);
      return value;
    case "boolean":
      if (typeof value !== "boolean") throw mismatch(value, "bool", path);
      return value;
    default:
      return value;
  }
}

/** Maps of quantities are amounts of resources, which count in thousandths at the finest. */
function isResourceList({ additionalProperties }: SchemaNode): boolean {
  return typeof additionalProperties === "object" && additionalProperties.format === QUANTITY_FORMAT;
}

function roundAmounts(amounts: JsonObject): void {
  for (const [name, amount] of Object.entries(amounts)) {
    if (typeof amount !== "string") continue;
    const quantity = parseQuantity(amount);
    const rounded = roundQuantityToMillis(quantity);
    if (rounded.nanos !== quantity.nanos) amounts[name] = formatQuantity(rounded);
  }
}

function decodeItems(list: JsonValue[], schema: SchemaNode, path: string, unknown: string[], depth: number): void {
  const { items } = schema;
  if (items === undefined) return;
  for (const [index, item] of list.entries()) {
    const decoded = decodeValue(item, items, childPath(path, index), unknown, depth + 1);
    list[index] = decoded ?? (items.type === "object" ? {} : items.type === "string" ? "" : null);
  }
}

function decodeUntyped(value: JsonValue, schema: SchemaNode, path: string): JsonValue | undefined {
  if (schema["x-kubernetes-preserve-unknown-fields"] === true) return value;
  if (value === null) return undefined;
  if (schema["x-kubernetes-int-or-string"] === true) {
    if (typeof value === "string" || (typeof value === "number" && Number.isInteger(value))) return value;
    throw mismatch(value, "int32 or string", path);
  }
  if (schema.format !== QUANTITY_FORMAT) return value;
  if (typeof value !== "string" && typeof value !== "number") throw mismatch(value, "quantity", path);
  try {
    return canonicalQuantity(value);
  } catch (error) {
    throw new DecodeError(path, (error as Error).message);
  }
}

function decodeText(text: string, schema: SchemaNode, path: string): string | undefined {
  if (schema.format === "byte") {
    if (!isBase64(text)) throw new DecodeError(path, "illegal base64 data");
    return text.replaceAll(/[\r\n]/g, "");
  }
  if (schema.format === "date-time") return decodeTime(text, path, 0);
  if (schema.format === MICRO_TIME_FORMAT) return decodeTime(text, path, 6);
  return text;
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})$/;

/** In UTC, with as many digits of a second as the type has. */
function decodeTime(text: string, path: string, fractionDigits: number): string | undefined {
  if (text === "") return undefined;
  const [, seconds = "", fraction = "", zone = ""] = RFC3339.exec(text) ?? [];
  const instant = Date.parse(seconds + zone.toUpperCase());
  if (seconds === "" || Number.isNaN(instant))
    throw new DecodeError(path, `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": not RFC 3339`);
  const whole = new Date(instant).toISOString().slice(0, "2006-01-02T15:04:05".length);
  return fractionDigits === 0
    ? `${whole}Z`
    : `${whole}.${fraction.slice(0, fractionDigits).padEnd(fractionDigits, "0")}Z`;
}

function isEmptyCollection(value: JsonValue, schema: SchemaNode): boolean {
  if (Array.isArray(value)) return value.length === 0;
  const isMap = isJsonObject(value) && typeof schema.additionalProperties === "object";
  return isMap && Object.keys(value).length === 0;
}

function isOmittedZero(value: JsonValue, schema: BuiltinSchema): boolean {
  return schema.omitZero === true && (value === false || value === 0 || value === "");
}

function mismatch(value: JsonValue, type: string, path: string): DecodeError {
  const actual = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  return new DecodeError(path, `cannot unmarshal ${actual} into a field of type ${type}`);
}
