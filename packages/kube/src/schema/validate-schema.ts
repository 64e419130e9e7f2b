import {
  duplicateError,
  type FieldError,
  invalidError,
  notSupportedError,
  requiredError,
  tooManyError,
  typeError,
} from "../field-error.ts";
import { canonicalJson, equalJson, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { scalarErrors } from "./validate-scalar.ts";
import { childPath, memberSchema, type SchemaNode } from "./schema-node.ts";

/** More errors than this help nobody, and would make answers without bound. */
export const SCHEMA_ERRORS_MAX = 100;
/** Deeper values only serve to exhaust the stack. */
export const VALUE_DEPTH_MAX = 128;

/**
 * Checks a value against a structural schema: types, required members, enums, patterns, limits, formats, list types and
 * the logical junctors. `x-kubernetes-validations` (CEL) is not evaluated.
 *
 * @returns what is wrong, in the words of the API server; at most {@link SCHEMA_ERRORS_MAX} errors.
 */
export function validateSchema(value: JsonValue, schema: SchemaNode, path = ""): FieldError[] {
  return errorsOf(value, schema, path, 0).slice(0, SCHEMA_ERRORS_MAX);
}

function errorsOf(value: JsonValue, schema: SchemaNode, path: string, depth: number): FieldError[] {
  if (depth > VALUE_DEPTH_MAX) return [invalidError(path, "…", `nests deeper than ${VALUE_DEPTH_MAX} levels`)];
  if (value === null && schema.nullable === true) return [];
  const mismatch = typeMismatch(value, schema, path);
  if (mismatch !== undefined) return [mismatch];
  const errors = [...enumErrors(value, schema, path), ...junctorErrors(value, schema, path, depth)];
  if (Array.isArray(value)) return [...errors, ...listErrors(value, schema, path, depth)];
  if (isJsonObject(value)) return [...errors, ...objectErrors(value, schema, path, depth)];
  return [...errors, ...scalarErrors(value, schema, path)];
}

function typeNameOf(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function typeMismatch(value: JsonValue, schema: SchemaNode, path: string): FieldError | undefined {
  const actual = typeNameOf(value);
  if (schema["x-kubernetes-int-or-string"] === true)
    return actual === "integer" || actual === "string" ? undefined : typeMessage("integer,string", actual, path);
  const { type } = schema;
  if (type === undefined || type === actual || (type === "number" && actual === "integer")) return undefined;
  return typeMessage(type, actual, path);
}

function typeMessage(expected: string, actual: string, path: string): FieldError {
  return typeError(path, actual, `${path} in body must be of type ${expected}: "${actual}"`);
}

function enumErrors(value: JsonValue, schema: SchemaNode, path: string): FieldError[] {
  const allowed = schema.enum;
  if (allowed === undefined || allowed.some((each) => equalJson(each, value))) return [];
  return [notSupportedError(path, value, allowed)];
}

function junctorErrors(value: JsonValue, schema: SchemaNode, path: string, depth: number): FieldError[] {
  const errors: FieldError[] = [];
  const fits = (part: SchemaNode) => errorsOf(value, part, path, depth + 1).length === 0;
  for (const part of schema.allOf ?? []) errors.push(...errorsOf(value, part, path, depth + 1));
  if (schema.anyOf !== undefined && !schema.anyOf.some(fits))
    errors.push(invalidError(path, "", `"${path}" must validate at least one schema (anyOf)`));
  if (schema.oneOf !== undefined) {
    const found = schema.oneOf.filter(fits).length;
    if (found !== 1) {
      const detail = found === 0 ? "Found none valid" : `Found ${found} valid alternatives`;
      errors.push(invalidError(path, "", `"${path}" must validate one and only one schema (oneOf). ${detail}`));
    }
  }
  if (schema.not !== undefined && fits(schema.not))
    errors.push(invalidError(path, "", `"${path}" must not validate the schema (not)`));
  return errors;
}

function objectErrors(object: JsonObject, schema: SchemaNode, path: string, depth: number): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of schema.required ?? [])
    if (!Object.hasOwn(object, name)) errors.push(requiredError(childPath(path, name)));
  const count = Object.keys(object).length;
  const { minProperties, maxProperties } = schema;
  if (minProperties !== undefined && count < minProperties)
    errors.push(invalidError(path, count, `${path} in body should have at least ${minProperties} properties`));
  if (maxProperties !== undefined && count > maxProperties) errors.push(tooManyError(path, count, maxProperties));
  if (schema["x-kubernetes-embedded-resource"] === true) errors.push(...embeddedErrors(object, path));
  for (const [key, member] of Object.entries(object)) {
    const known = memberSchema(schema, key);
    if (known !== undefined) errors.push(...errorsOf(member, known, childPath(path, key), depth + 1));
    if (errors.length > SCHEMA_ERRORS_MAX) break;
  }
  return errors;
}

function embeddedErrors(object: JsonObject, path: string): FieldError[] {
  return ["apiVersion", "kind"]
    .filter((name) => typeof object[name] !== "string" || object[name] === "")
    .map((name) => requiredError(childPath(path, name), "must not be empty"));
}

function listErrors(list: JsonValue[], schema: SchemaNode, path: string, depth: number): FieldError[] {
  const errors: FieldError[] = [];
  const { minItems, maxItems, items } = schema;
  if (minItems !== undefined && list.length < minItems)
    errors.push(invalidError(path, list.length, `${path} in body should have at least ${minItems} items`));
  if (maxItems !== undefined && list.length > maxItems) return [tooManyError(path, list.length, maxItems)];
  errors.push(...duplicateErrors(list, schema, path));
  if (items === undefined) return errors;
  for (const [index, item] of list.entries()) {
    errors.push(...errorsOf(item, items, childPath(path, index), depth + 1));
    if (errors.length > SCHEMA_ERRORS_MAX) break;
  }
  return errors;
}

function duplicateErrors(list: JsonValue[], schema: SchemaNode, path: string): FieldError[] {
  const listType = schema["x-kubernetes-list-type"];
  const unique = listType === "set" || listType === "map" || schema.uniqueItems === true;
  if (!unique || list.length < 2) return [];
  const mapKeys = listType === "map" ? (schema["x-kubernetes-list-map-keys"] ?? []) : undefined;
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, item] of list.entries()) {
    const identity = mapKeys === undefined || !isJsonObject(item) ? item : identityOf(item, mapKeys, schema);
    const text = canonicalJson(identity);
    if (seen.has(text)) errors.push(duplicateError(childPath(path, index), identity));
    seen.add(text);
  }
  return errors;
}

function identityOf(item: JsonObject, mapKeys: readonly string[], { items }: SchemaNode): JsonObject {
  const identity: JsonObject = {};
  for (const key of mapKeys) {
    const value = Object.hasOwn(item, key) ? item[key] : items?.properties?.[key]?.default;
    if (value !== undefined) identity[key] = value;
  }
  return identity;
}
