import { isJsonObject, type JsonObject, type JsonValue } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { DELETE_OPTIONS, STATUS } from "./builtin-schemas.ts";
import { type Operation, type OperationParameter, PATCH, pathsOf, SCALE } from "./operations.ts";
import { builtinDefinitions, customDefinitions, rootsOf } from "./published-definitions.ts";

const PREFIX = "#/components/schemas/";

/** The OpenAPI 3 document of one group version. */
export function documentV3(definitions: readonly ResourceDefinition[], version: string): JsonObject {
  const roots = new Set([STATUS, DELETE_OPTIONS, PATCH, SCALE, ...definitions.flatMap(rootsOf)]);
  const schemas = builtinDefinitions(roots, render);
  for (const definition of definitions) Object.assign(schemas, customDefinitions(definition, render));
  const paths: JsonObject = {};
  for (const { path, parameters, operations } of definitions.flatMap(pathsOf))
    paths[path] = {
      parameters: parameters.map(parameterV3),
      ...Object.fromEntries(operations.map((operation) => [operation.method, operationV3(operation)])),
    };
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version },
    paths,
    components: { schemas, securitySchemes: { BearerToken: { type: "apiKey", name: "authorization", in: "header" } } },
  };
}

function parameterV3({ name, in: place, type }: OperationParameter): JsonObject {
  return { name, in: place, ...(place === "path" && { required: true }), schema: { type, uniqueItems: true } };
}

function operationV3({ action, id, tag, gvk, parameters, body, answer }: Operation): JsonObject {
  return {
    operationId: id,
    tags: [tag],
    ...(parameters.length > 0 && { parameters: parameters.map(parameterV3) }),
    ...(body !== undefined && {
      requestBody: {
        content: Object.fromEntries(body.types.map((type) => [type, { schema: { $ref: PREFIX + body.schema } }])),
        ...(action !== "delete" && action !== "deletecollection" && { required: true }),
      },
    }),
    responses: {
      200: { description: "OK", content: { "application/json": { schema: { $ref: PREFIX + answer } } } },
      401: { description: "Unauthorized" },
    },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { ...gvk },
  };
}

/** References with siblings become `allOf`, since OpenAPI 3.0 ignores what stands beside `$ref`. */
function render(schema: JsonObject): JsonObject {
  const { $ref, properties, ...rest } = schema;
  const out: JsonObject = {};
  if (typeof $ref === "string") {
    const reference = { $ref: PREFIX + $ref };
    if (Object.keys(rest).length === 0) return reference;
    out["allOf"] = [reference];
  }
  for (const [key, value] of Object.entries(rest))
    if (key !== "omitZero") out[key] = isSubSchema(key) ? renderAll(value) : value;
  if (isJsonObject(properties))
    out["properties"] = Object.fromEntries(Object.entries(properties).map(([name, child]) => [name, renderAll(child)]));
  return out;
}

function isSubSchema(keyword: string): boolean {
  return ["items", "additionalProperties", "not", "allOf", "anyOf", "oneOf"].includes(keyword);
}

function renderAll(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(renderAll);
  return isJsonObject(value) ? render(value) : value;
}
