import { isIP, isIPv4, isIPv6 } from "node:net";
import { type FieldError, invalidError, tooLongError, typeError } from "../field-error.ts";
import type { JsonPrimitive } from "../json.ts";
import type { SchemaNode } from "./schema-node.ts";

/** Patterns are not run on longer strings: a pattern written without care could then hold up everybody. */
export const PATTERN_INPUT_CHARS_MAX = 16_384;
const INT32_MAX = 2 ** 31 - 1;

export function scalarErrors(value: JsonPrimitive, schema: SchemaNode, path: string): FieldError[] {
  if (typeof value === "number") return numberErrors(value, schema, path);
  if (typeof value === "string") return stringErrors(value, schema, path);
  return [];
}

function numberErrors(value: number, schema: SchemaNode, path: string): FieldError[] {
  const problems: string[] = [];
  const { minimum, maximum, multipleOf, exclusiveMinimum = false, exclusiveMaximum = false } = schema;
  if (minimum !== undefined && (value < minimum || (exclusiveMinimum && value === minimum)))
    problems.push(`should be greater than ${exclusiveMinimum ? "" : "or equal to "}${minimum}`);
  if (maximum !== undefined && (value > maximum || (exclusiveMaximum && value === maximum)))
    problems.push(`should be less than ${exclusiveMaximum ? "" : "or equal to "}${maximum}`);
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf))
    problems.push(`should be a multiple of ${multipleOf}`);
  if (schema.format === "int32" && Math.abs(value) > INT32_MAX && value !== -INT32_MAX - 1)
    problems.push(`must be of type int32: "${value}"`);
  return problems.map((problem) => invalidError(path, value, `${path} in body ${problem}`));
}

function stringErrors(value: string, schema: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { minLength, maxLength, pattern, format } = schema;
  const chars = minLength === undefined && maxLength === undefined ? 0 : Array.from(value).length;
  if (minLength !== undefined && chars < minLength)
    errors.push(invalidError(path, value, `${path} in body should be at least ${minLength} chars long`));
  if (maxLength !== undefined && chars > maxLength) return [...errors, tooLongError(path, maxLength)];
  if (pattern !== undefined && !matchesPattern(value, pattern))
    errors.push(invalidError(path, value, `${path} in body should match '${pattern}'`));
  if (format !== undefined && !hasFormat(value, format))
    errors.push(typeError(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`));
  return errors;
}

/** Compiles a schema's pattern; Go's inline flags at its start are understood. @throws SyntaxError */
export function compilePattern(pattern: string): RegExp {
  const flags = /^\(\?([ims]+)\)/.exec(pattern);
  const source = flags === null ? pattern : pattern.slice(flags[0].length);
  return new RegExp(source.replaceAll("\\A", "^").replaceAll("\\z", "$"), flags?.[1] ?? "");
}

function matchesPattern(value: string, pattern: string): boolean {
  return value.length <= PATTERN_INPUT_CHARS_MAX && compilePattern(pattern).test(value);
}

const DATE_TIME =
  /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const FORMATS: Readonly<Record<string, (value: string) => boolean>> = {
  "date-time": (value) => DATE_TIME.test(value) && !Number.isNaN(Date.parse(value)),
  date: (value) => /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)),
  ipv4: isIPv4,
  ipv6: isIPv6,
  ip: (value) => isIP(value) !== 0,
  cidr: isCidr,
  uuid: (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(value),
  uri: (value) => URL.canParse(value),
  email: (value) => /^[^\s@]+@[^\s@]+$/.test(value),
  hostname: (value) =>
    value.length <= 255 &&
    /^([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*\.?$/.test(value),
  mac: (value) => /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(value),
  byte: isBase64,
  duration: (value) => /^-?(\d+(\.\d+)?\s?(ns|us|µs|μs|ms|s|m|h|d|w)\s?)+$|^0$/.test(value),
};

function hasFormat(value: string, format: string): boolean {
  return !Object.hasOwn(FORMATS, format) || FORMATS[format]?.(value) !== false;
}

function isCidr(value: string): boolean {
  const [address = "", bits = "", ...rest] = value.split("/");
  const family = isIP(address);
  return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

/** Standard base64 with padding; line breaks are passed over, as Go does. */
export function isBase64(value: string): boolean {
  const text = value.replaceAll(/[\r\n]/g, "");
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
