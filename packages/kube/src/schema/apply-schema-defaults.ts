import { cloneJson, isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { memberSchema, type SchemaNode } from "./schema-node.ts";

/**
 * Fills `default`s in place, also within what a default has just added. A null where the schema allows none counts as
 * absent: it gives way to the default or is dropped.
 */
export function applySchemaDefaults(value: JsonValue, schema: SchemaNode): void {
  if (Array.isArray(value)) defaultItems(value, schema);
  else if (isJsonObject(value)) defaultMembers(value, schema);
}

function defaultItems(list: JsonValue[], { items }: SchemaNode): void {
  if (items === undefined) return;
  for (const [index, item] of list.entries()) {
    if (item === null && items.nullable !== true && items.default !== undefined) list[index] = cloneJson(items.default);
    applySchemaDefaults(list[index] ?? null, items);
  }
}

function defaultMembers(object: JsonObject, schema: SchemaNode): void {
  for (const [key, member] of Object.entries(object)) {
    if (member !== null) continue;
    const known = memberSchema(schema, key);
    if (known !== undefined && known.nullable !== true && !takesNull(known)) delete object[key];
  }
  for (const [key, value] of defaultsOf(schema)) if (!Object.hasOwn(object, key)) object[key] = cloneJson(value);
  for (const [key, member] of Object.entries(object)) {
    const known = typeof member === "object" && member !== null ? memberSchema(schema, key) : undefined;
    if (known !== undefined) applySchemaDefaults(member, known);
  }
}

/** Types have hundreds of members and few defaults, and are asked for them with every write. */
const defaultsBySchema = new WeakMap<SchemaNode, readonly (readonly [key: string, value: JsonValue])[]>();

function defaultsOf(schema: SchemaNode): readonly (readonly [key: string, value: JsonValue])[] {
  const known = defaultsBySchema.get(schema);
  if (known !== undefined) return known;
  const defaults = Object.entries(schema.properties ?? {}).flatMap(([key, { default: value }]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  defaultsBySchema.set(schema, defaults);
  return defaults;
}

/** A schema without a type that keeps unknown members takes any JSON value, null included. */
function takesNull(schema: SchemaNode): boolean {
  return schema.type === undefined && schema["x-kubernetes-preserve-unknown-fields"] === true;
}
