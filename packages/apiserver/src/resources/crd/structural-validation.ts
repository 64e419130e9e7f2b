import {
  type FieldError,
  forbiddenError,
  invalidError,
  isJsonObject,
  type JsonObject,
  compilePattern,
  notSupportedError,
  requiredError,
  type SchemaNode,
  validateSchema,
} from "@kedge/kube";

const TYPES = ["array", "boolean", "integer", "number", "object", "string"];
/** Keywords that no structural schema may use. */
const FORBIDDEN = [
  "$ref",
  "definitions",
  "dependencies",
  "patternProperties",
  "additionalItems",
  "deprecated",
  "discriminator",
  "readOnly",
  "writeOnly",
  "xml",
];
/** Where a junctor's branches may not say what a value is, only restrict it. */
const NOT_IN_JUNCTORS = [
  "type",
  "default",
  "description",
  "title",
  "additionalProperties",
  "nullable",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-embedded-resource",
];

export const SCHEMA_DEPTH_MAX = 48;
export const SCHEMA_NODES_MAX = 20_000;

/** Whether a definition's schema is structural: every value has one type, said outside of `allOf`, `anyOf`, `oneOf`, `not`. */
export function structuralErrors(schema: object, field: string): FieldError[] {
  const budget = { nodes: SCHEMA_NODES_MAX };
  const root = schema as JsonObject;
  const errors = nodeErrors(root, field, 0, budget);
  if (root["type"] !== "object")
    errors.push(invalidError(`${field}.type`, root["type"] ?? "", "must be object at the root"));
  errors.push(...metadataErrors(root, field));
  if (budget.nodes < 0) errors.push(forbiddenError(field, `a schema may have at most ${SCHEMA_NODES_MAX} nodes`));
  return errors;
}

/** Metadata is the server's own: a definition may only say what names it takes. */
function metadataErrors({ properties }: JsonObject, field: string): FieldError[] {
  const metadata = isJsonObject(properties) ? properties["metadata"] : undefined;
  const { properties: members } = isJsonObject(metadata) ? metadata : {};
  const restricted = Object.keys(isJsonObject(members) ? members : {});
  if (restricted.every((name) => name === "name" || name === "generateName")) return [];
  return [
    forbiddenError(
      `${field}.properties[metadata]`,
      "must not specify anything other than name and generateName, but metadata is implicitly specified",
    ),
  ];
}

function nodeErrors(node: JsonObject, field: string, depth: number, budget: { nodes: number }): FieldError[] {
  budget.nodes -= 1;
  if (budget.nodes < 0) return [];
  if (depth > SCHEMA_DEPTH_MAX) return [forbiddenError(field, `a schema may nest at most ${SCHEMA_DEPTH_MAX} levels`)];
  const errors: FieldError[] = [];
  for (const keyword of FORBIDDEN)
    if (node[keyword] !== undefined) errors.push(forbiddenError(`${field}.${keyword}`, `${keyword} is not supported`));
  errors.push(...typeErrors(node, field), ...patternErrors(node, field), ...defaultErrors(node, field));
  const { properties, items, additionalProperties } = node;
  if (isJsonObject(properties) && isJsonObject(additionalProperties))
    errors.push(forbiddenError(field, "additionalProperties and properties are mutual exclusive"));
  if (node["type"] === "array" && !isJsonObject(items))
    errors.push(requiredError(`${field}.items`, "must be specified"));
  errors.push(...listTypeErrors(node, field));
  if (node["uniqueItems"] === true)
    errors.push(
      forbiddenError(
        `${field}.uniqueItems`,
        "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
      ),
    );
  for (const [name, child] of Object.entries(isJsonObject(properties) ? properties : {}))
    if (isJsonObject(child)) errors.push(...nodeErrors(child, `${field}.properties[${name}]`, depth + 1, budget));
  for (const [keyword, child] of Object.entries({ items, additionalProperties }))
    if (isJsonObject(child)) errors.push(...nodeErrors(child, `${field}.${keyword}`, depth + 1, budget));
  return [...errors, ...junctorErrors(node, field)];
}

function typeErrors(node: JsonObject, field: string): FieldError[] {
  const { type } = node;
  if (type === undefined || type === "") {
    if (node["x-kubernetes-int-or-string"] === true || node["x-kubernetes-preserve-unknown-fields"] === true) return [];
    return [requiredError(`${field}.type`, "must not be empty for specified object fields")];
  }
  return TYPES.some((known) => known === type) ? [] : [notSupportedError(`${field}.type`, type, TYPES)];
}

function patternErrors({ pattern }: JsonObject, field: string): FieldError[] {
  if (typeof pattern !== "string") return [];
  try {
    compilePattern(pattern);
    return [];
  } catch (error) {
    return [
      invalidError(`${field}.pattern`, pattern, `must be a valid regular expression: ${(error as Error).message}`),
    ];
  }
}

function defaultErrors(node: JsonObject, field: string): FieldError[] {
  const value = node["default"];
  if (value === undefined || value === null) return [];
  return validateSchema(value, node as SchemaNode, `${field}.default`).slice(0, 1);
}

function listTypeErrors(node: JsonObject, field: string): FieldError[] {
  const listType = node["x-kubernetes-list-type"];
  if (listType === undefined) return [];
  const at = `${field}.x-kubernetes-list-type`;
  if (node["type"] !== "array")
    return [invalidError(`${field}.type`, node["type"] ?? "", "must be array if x-kubernetes-list-type is specified")];
  if (!["atomic", "set", "map"].some((known) => known === listType))
    return [notSupportedError(at, listType, ["atomic", "map", "set"])];
  const keys = node["x-kubernetes-list-map-keys"];
  const { items } = node;
  if (listType === "map" && isJsonObject(items) && items["type"] !== "object")
    return [
      invalidError(
        `${field}.items.type`,
        items["type"] ?? "",
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    ];
  if (listType === "map" && (!Array.isArray(keys) || keys.length === 0))
    return [requiredError(`${field}.x-kubernetes-list-map-keys`, "must not be empty if x-kubernetes-list-type is map")];
  return [];
}

function junctorErrors(node: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const junctor of ["allOf", "anyOf", "oneOf"]) {
    const branches = node[junctor];
    if (!Array.isArray(branches)) continue;
    for (const [index, branch] of branches.entries())
      if (isJsonObject(branch)) errors.push(...branchErrors(branch, node, `${field}.${junctor}[${index}]`, 0));
  }
  if (isJsonObject(node["not"])) errors.push(...branchErrors(node["not"], node, `${field}.not`, 0));
  return errors;
}

function branchErrors(branch: JsonObject, outer: JsonObject, field: string, depth: number): FieldError[] {
  if (depth > SCHEMA_DEPTH_MAX) return [forbiddenError(field, `a schema may nest at most ${SCHEMA_DEPTH_MAX} levels`)];
  const errors = patternErrors(branch, field);
  for (const keyword of NOT_IN_JUNCTORS) {
    if (branch[keyword] === undefined) continue;
    // `anyOf: [{type: integer}, {type: string}]` is how int-or-string values are written.
    if (keyword === "type" && outer["x-kubernetes-int-or-string"] === true) continue;
    errors.push(forbiddenError(`${field}.${keyword}`, "must be empty to be structural"));
  }
  const { properties } = branch;
  for (const [name, child] of Object.entries(isJsonObject(properties) ? properties : {}))
    if (isJsonObject(child)) errors.push(...branchErrors(child, {}, `${field}.properties[${name}]`, depth + 1));
  return errors;
}
