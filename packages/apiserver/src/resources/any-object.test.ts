import { test } from "node:test";
import fc from "fast-check";
import {
  apiVersionOf,
  cloneJson,
  type JsonObject,
  type JsonValue,
  type KubeObject,
  type SchemaNode,
} from "@kedge/kube";
import { QUANTITY_FORMAT } from "../openapi/builtin-schemas.ts";
import { BuiltinResource } from "./builtin-resource.ts";
import { builtinResources } from "./builtin-resources.ts";

const DEPTH_MAX = 9;
const TEXTS = ["", "a", "A b", "x".repeat(70), "..", "/x", "-1", "None", "Exists", "Always", "http", "10.0.0.1", "50%"];

/** Any value that has the right types, and nothing else right about it. */
function anyValue(schema: SchemaNode, depth: number): fc.Arbitrary<JsonValue> {
  if (depth > DEPTH_MAX) return fc.constant(null);
  if (schema.format === QUANTITY_FORMAT) return fc.constantFrom("1", "-1", "100m", "1Gi", 0, 2.5);
  if (schema["x-kubernetes-int-or-string"] === true) return fc.constantFrom<JsonValue>(0, -1, 80, "http", "25%", "");
  switch (schema.type) {
    case "object":
      return anyObject(schema, depth);
    case "array":
      return fc.array(anyValue(schema.items ?? {}, depth + 1), { maxLength: 2 });
    case "integer":
    case "number":
      return fc.constantFrom(-1, 0, 1, 5, 100_000);
    case "boolean":
      return fc.boolean();
    case "string":
      if (schema.format === "byte") return fc.constantFrom("", "AAE=");
      if (schema.format !== undefined) return fc.constant("2026-01-01T00:00:00Z");
      return fc.constantFrom(...TEXTS);
    default:
      return fc.constantFrom<JsonValue>(null, "a", 1, {}, []);
  }
}

/** A few members each: with all of them, nothing would ever be absent. */
function anyObject(schema: SchemaNode, depth: number): fc.Arbitrary<JsonObject> {
  const { properties = {}, additionalProperties } = schema;
  if (typeof additionalProperties === "object")
    return fc.dictionary(fc.constantFrom("a", "A b", ".."), anyValue(additionalProperties, depth + 1), {
      maxKeys: 2,
      noNullPrototype: true,
    });
  const names = Object.keys(properties);
  if (names.length === 0) return fc.constant({});
  return fc
    .subarray(names, { maxLength: Math.min(names.length, 6) })
    .chain((some) =>
      fc
        .tuple(...some.map((name) => fc.option(anyValue(properties[name] ?? {}, depth + 1), { freq: 10 })))
        .map((values) => Object.fromEntries(some.map((name, index) => [name, values[index] ?? null]))),
    );
}

for (const definition of builtinResources()) {
  if (!(definition instanceof BuiltinResource)) continue;
  const { type, patchSchema } = definition;
  test(`no ${apiVersionOf(type)} ${type.kind} of the right types makes us stumble`, () => {
    const any = fc.record({ spec: anyObject(patchSchema, 0), old: anyObject(patchSchema, 0) });
    fc.assert(
      fc.property(any, ({ spec, old }) => {
        const before = accepted(old);
        const object = accepted(spec);
        definition.warnings(object);
        const updated = cloneJson(object);
        definition.prepareCreate(object);
        definition.validate(object, undefined);
        for (const subresource of ["", "status", "scale"] as const) {
          const next = cloneJson(updated);
          definition.prepareUpdate(next, before, subresource);
          definition.validate(next, before);
          definition.cells(next, 0);
          definition.selectableFields(next);
        }
      }),
      { numRuns: 60 },
    );
  });

  /** As the server has an object before it is completed. */
  function accepted(members: JsonObject): KubeObject {
    const object = cloneJson(members) as KubeObject;
    object.kind = type.kind;
    object.metadata ??= {};
    definition.prune(object);
    object.metadata ??= {};
    definition.applyDefaults(object);
    return object;
  }
}
