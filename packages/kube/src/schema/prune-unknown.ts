import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { childPath, memberSchema, type SchemaNode } from "./schema-node.ts";

/** Always kept in embedded resources, whatever the schema says. */
const EMBEDDED_MEMBERS = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Removes, in place, what the schema does not know.
 *
 * @returns the paths of what went, for strict field validation.
 */
export function pruneUnknown(value: JsonValue, schema: SchemaNode, path = ""): string[] {
  const pruned: string[] = [];
  prune(value, schema, path, pruned);
  return pruned;
}

function prune(value: JsonValue, schema: SchemaNode, path: string, pruned: string[]): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== undefined) for (const [i, item] of value.entries()) prune(item, items, childPath(path, i), pruned);
  } else if (isJsonObject(value)) pruneObject(value, schema, path, pruned);
}

function pruneObject(object: JsonObject, schema: SchemaNode, path: string, pruned: string[]): void {
  for (const [key, member] of Object.entries(object)) {
    const known = memberSchema(schema, key);
    if (known !== undefined) prune(member, known, childPath(path, key), pruned);
    else if (schema["x-kubernetes-preserve-unknown-fields"] !== true && !isEmbeddedMember(schema, key)) {
      delete object[key];
      pruned.push(childPath(path, key));
    }
  }
}

function isEmbeddedMember(schema: SchemaNode, key: string): boolean {
  return schema["x-kubernetes-embedded-resource"] === true && EMBEDDED_MEMBERS.has(key);
}
