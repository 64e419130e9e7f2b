import { isJsonObject, type JsonObject, type JsonValue } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { type Definitions, OBJECT_META, readDefinitions } from "./builtin-schemas.ts";

const LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const GVK = "x-kubernetes-group-version-kind";

/** Turns one schema (not a reference) into a version of OpenAPI. `name` is set for named schemas only. */
export type RenderSchema = (schema: JsonObject, name: string | undefined) => JsonObject;

/**
 * The schemas that these names need, rendered. References are `{"$ref": prefix + name}`.
 *
 * @param roots names of built-in schemas, with everything that they refer to.
 */
export function builtinDefinitions(roots: Iterable<string>, render: RenderSchema): Record<string, JsonObject> {
  const { definitions } = readDefinitions();
  const names = reachable(roots, definitions);
  return Object.fromEntries(names.map((name) => [name, render(definitions[name] ?? {}, name)]));
}

function reachable(roots: Iterable<string>, definitions: Definitions): string[] {
  const found = new Set<string>();
  const open = [...roots];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const definition = Object.hasOwn(definitions, name) ? definitions[name] : undefined;
    if (definition === undefined || found.has(name)) continue;
    found.add(name);
    collectReferences(definition, open);
  }
  return [...found].toSorted();
}

function collectReferences(schema: JsonValue, into: string[]): void {
  if (Array.isArray(schema)) for (const item of schema) collectReferences(item, into);
  else if (isJsonObject(schema)) {
    if (typeof schema["$ref"] === "string") into.push(schema["$ref"]);
    for (const child of Object.values(schema)) collectReferences(child, into);
  }
}

/** A custom resource's schema and its list's. */
export function customDefinitions(
  { type, published, listKind }: ResourceDefinition,
  render: RenderSchema,
): Record<string, JsonObject> {
  if (published?.custom === undefined) return {};
  const { group, version, kind } = type;
  const written = published.custom as unknown as JsonObject;
  const object: JsonObject = {
    ...written,
    properties: {
      ...(isJsonObject(written["properties"]) ? written["properties"] : {}),
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { $ref: OBJECT_META },
    },
    [GVK]: [{ group, kind, version }],
  };
  const list: JsonObject = {
    type: "object",
    required: ["items"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { $ref: LIST_META },
      items: { type: "array", items: { $ref: published.name } },
    },
    [GVK]: [{ group, kind: listKind, version }],
  };
  const listName = `${published.name}List`;
  return { [published.name]: render(object, published.name), [listName]: render(list, listName) };
}

/** Names of the built-in schemas that a resource's operations need. */
export function rootsOf({ published }: ResourceDefinition): string[] {
  if (published === undefined) return [];
  return published.custom === undefined ? [published.name, `${published.name}List`] : [OBJECT_META, LIST_META];
}
