import { isJsonObject, type JsonObject, type JsonValue } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { DELETE_OPTIONS, STATUS } from "./builtin-schemas.ts";
import { type Operation, type OperationParameter, PATCH, pathsOf, SCALE } from "./operations.ts";
import { builtinDefinitions, customDefinitions, rootsOf } from "./published-definitions.ts";

const PREFIX = "#/definitions/";

/** Keywords that OpenAPI 2 does not have, or that older clients stumble over. */
const DROPPED = new Set([
  "omitZero",
  "oneOf",
  "anyOf",
  "allOf",
  "not",
  "nullable",
  "default",
  "x-kubernetes-validations",
  "example",
  "externalDocs",
]);

/** The OpenAPI 2 document of everything. */
export function documentV2(definitions: readonly ResourceDefinition[], version: string): JsonObject {
  const roots = new Set([STATUS, DELETE_OPTIONS, PATCH, SCALE, ...definitions.flatMap(rootsOf)]);
  const schemas = builtinDefinitions(roots, renderNamed);
  for (const definition of definitions) Object.assign(schemas, customDefinitions(definition, renderNamed));
  const paths: JsonObject = {};
  for (const { path, parameters, operations } of definitions.flatMap(pathsOf))
    paths[path] = {
      parameters: parameters.map(parameterV2),
      ...Object.fromEntries(operations.map((operation) => [operation.method, operationV2(operation)])),
    };
  return { swagger: "2.0", info: { title: "Kubernetes", version }, paths, definitions: schemas };
}

function parameterV2({ name, in: place, type }: OperationParameter): JsonObject {
  return { name, in: place, type, uniqueItems: true, ...(place === "path" && { required: true }) };
}

function operationV2({ action, id, tag, gvk, parameters, body, answer }: Operation): JsonObject {
  const optionalBody = action === "delete" || action === "deletecollection";
  const list: JsonValue[] = parameters.map(parameterV2);
  if (body !== undefined)
    list.unshift({
      name: "body",
      in: "body",
      ...(!optionalBody && { required: true }),
      schema: { $ref: PREFIX + body.schema },
    });
  return {
    operationId: id,
    tags: [tag],
    consumes: body === undefined ? ["*/*"] : [...body.types],
    produces: ["application/json"],
    schemes: ["https"],
    ...(list.length > 0 && { parameters: list }),
    responses: {
      200: { description: "OK", schema: { $ref: PREFIX + answer } },
      401: { description: "Unauthorized" },
    },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { ...gvk },
  };
}

/** Types that read and write themselves are strings to OpenAPI 2, or have no type at all. */
const SPECIAL: Readonly<Record<string, JsonObject>> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": { type: "string" },
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": { type: "string", format: "int-or-string" },
};

function renderNamed(schema: JsonObject, name: string | undefined): JsonObject {
  return (name === undefined ? undefined : SPECIAL[name]) ?? render(schema);
}

function render(schema: JsonObject): JsonObject {
  const { $ref, properties, ...rest } = schema;
  if (typeof $ref === "string") return { $ref: PREFIX + $ref, ...extensionsOf(rest) };
  // Clients check values against the type alone: where it says too little, nothing said is better.
  if (rest["x-kubernetes-preserve-unknown-fields"] === true || rest["nullable"] === true) return withoutShape(rest);
  const out: JsonObject = {};
  for (const [key, value] of Object.entries(rest)) {
    if (DROPPED.has(key) || (key === "type" && rest["x-kubernetes-int-or-string"] === true)) continue;
    if (key === "items") out["items"] = isJsonObject(value) ? render(value) : value;
    else if (key === "additionalProperties") {
      if (isJsonObject(value)) out[key] = render(value);
    } else out[key] = value;
  }
  if (isJsonObject(properties)) {
    const members = Object.entries(properties).map(([name, child]) => [
      name,
      isJsonObject(child) ? render(child) : child,
    ]);
    out["properties"] = Object.fromEntries(members) as JsonObject;
  }
  return out;
}

function extensionsOf(schema: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key.startsWith("x-")));
}

function withoutShape(schema: JsonObject): JsonObject {
  return {
    ...extensionsOf(schema),
    ...(typeof schema["description"] === "string" && { description: schema["description"] }),
  };
}
