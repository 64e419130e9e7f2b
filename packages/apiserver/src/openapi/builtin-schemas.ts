import { readFileSync } from "node:fs";
import { isJsonObject, type JsonObject, type JsonValue, type SchemaNode } from "@kedge/kube";

/** The facts of Kubernetes' OpenAPI documents; written by `scripts/generate-openapi.ts`. */
const FILE = new URL("../../generated/openapi.json", import.meta.url);

const META = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const APIEXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";
export const OBJECT_META = `${META}ObjectMeta`;
export const STATUS = `${META}Status`;
export const DELETE_OPTIONS = `${META}DeleteOptions`;

/** Formats of ours, for types that Kubernetes writes in one canonical way. */
export const QUANTITY_FORMAT = "quantity";
export const MICRO_TIME_FORMAT = "micro-time";

/** A node of a built-in type's schema. */
export interface BuiltinSchema extends SchemaNode {
  /** Left out when it is false, 0 or empty, as Go's zero values are. Never published. */
  readonly omitZero?: boolean;
}

/** What the published schema does not say of types that read and write themselves. */
const SPECIAL: Readonly<Record<string, SchemaNode>> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": { format: QUANTITY_FORMAT },
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": { "x-kubernetes-int-or-string": true },
  "io.k8s.apimachinery.pkg.runtime.RawExtension": { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  [`${META}MicroTime`]: { type: "string", format: MICRO_TIME_FORMAT },
  [`${META}FieldsV1`]: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  [`${APIEXTENSIONS}JSON`]: { "x-kubernetes-preserve-unknown-fields": true },
  [`${APIEXTENSIONS}JSONSchemaPropsOrArray`]: { "x-kubernetes-preserve-unknown-fields": true },
  [`${APIEXTENSIONS}JSONSchemaPropsOrBool`]: { "x-kubernetes-preserve-unknown-fields": true },
  [`${APIEXTENSIONS}JSONSchemaPropsOrStringArray`]: { "x-kubernetes-preserve-unknown-fields": true },
};

/** A published definition: references are `{"$ref": name}`, maybe with siblings. */
export type Definitions = Readonly<Record<string, JsonObject>>;

/** Reads the definitions anew: whoever makes a document of them lets go of them afterwards. */
export function readDefinitions(): { readonly kubernetes: string; readonly definitions: Definitions } {
  return JSON.parse(readFileSync(FILE, "utf8")) as { kubernetes: string; definitions: Definitions };
}

let linked: ReadonlyMap<string, SchemaNode> | undefined;

/**
 * The schema of a built-in type, with its references resolved.
 *
 * @param name as in the published documents: `io.k8s.api.core.v1.Pod`.
 */
export function builtinSchema(name: string): SchemaNode {
  linked ??= link(readDefinitions().definitions);
  const schema = linked.get(name);
  if (schema === undefined) throw new Error(`openapi.json holds no schema ${name}: run scripts/generate-openapi.ts`);
  return schema;
}

/** Turns references into the nodes themselves; `definitions` become the nodes. */
function link(definitions: Definitions): ReadonlyMap<string, SchemaNode> {
  const nodes = new Map<string, SchemaNode>(Object.entries({ ...definitions, ...SPECIAL }));
  for (const definition of nodes.values()) linkChildren(definition as unknown as JsonObject, nodes);
  return nodes;
}

function linkChildren(node: JsonObject, nodes: ReadonlyMap<string, SchemaNode>): void {
  const { properties } = node;
  if (isJsonObject(properties))
    for (const [name, child] of Object.entries(properties)) properties[name] = resolve(child, nodes);
  for (const keyword of ["items", "additionalProperties"]) {
    const child = node[keyword];
    if (isJsonObject(child)) node[keyword] = resolve(child, nodes);
  }
}

function resolve(node: JsonValue, nodes: ReadonlyMap<string, SchemaNode>): JsonValue {
  if (!isJsonObject(node)) return node;
  const { $ref, ...siblings } = node;
  if (typeof $ref !== "string") {
    linkChildren(node, nodes);
    return node;
  }
  const target = nodes.get($ref);
  if (target === undefined) throw new Error(`openapi.json refers to ${$ref}, which it does not hold`);
  // Definitions keep their `properties` object while it is linked in place: the copy sees it linked, too.
  return (Object.keys(siblings).length === 0 ? target : { ...target, ...siblings }) as unknown as JsonValue;
}
