import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue } from "../json.ts";
import { applySchemaDefaults } from "./apply-schema-defaults.ts";
import { pruneUnknown } from "./prune-unknown.ts";
import type { SchemaNode } from "./schema-node.ts";
import { validateSchema } from "./validate-schema.ts";

const cases: { name: string; schema: SchemaNode; value: JsonValue; errors: string[] }[] = [
  {
    name: "types",
    schema: { type: "object", properties: { a: { type: "integer" }, b: { type: "number" }, c: { type: "boolean" } } },
    value: { a: "x", b: 1, c: null },
    errors: [
      `a: Invalid value: "string": a in body must be of type integer: "string"`,
      `c: Invalid value: "null": c in body must be of type boolean: "null"`,
    ],
  },
  { name: "nullable", schema: { type: "string", nullable: true }, value: null, errors: [] },
  {
    name: "int-or-string",
    schema: { properties: { a: { "x-kubernetes-int-or-string": true }, b: { "x-kubernetes-int-or-string": true } } },
    value: { a: "10%", b: 1.5 },
    errors: [`b: Invalid value: "number": b in body must be of type integer,string: "number"`],
  },
  { name: "required", schema: { required: ["a"] }, value: {}, errors: ["a: Required value"] },
  {
    name: "enum",
    schema: { properties: { a: { type: "string", enum: ["x", "y"] } } },
    value: { a: "z" },
    errors: [`a: Unsupported value: "z": supported values: "x", "y"`],
  },
  {
    name: "limits",
    schema: {
      properties: {
        n: { type: "integer", minimum: 1 },
        x: { type: "integer", maximum: 3, exclusiveMaximum: true },
        s: { type: "string", minLength: 2, pattern: "^a" },
        l: { type: "string", maxLength: 1 },
        i: { type: "array", maxItems: 1 },
      },
    },
    value: { n: 0, x: 3, s: "b", l: "xx", i: [1, 2] },
    errors: [
      "n: Invalid value: 0: n in body should be greater than or equal to 1",
      "x: Invalid value: 3: x in body should be less than 3",
      `s: Invalid value: "b": s in body should be at least 2 chars long`,
      `s: Invalid value: "b": s in body should match '^a'`,
      "l: Too long: may not be more than 1 bytes",
      "i: Too many: 2: must have at most 1 items",
    ],
  },
  {
    name: "junctors",
    schema: { properties: { a: { oneOf: [{ type: "string" }, { minimum: 1 }], not: { enum: [2] } } } },
    value: { a: 2 },
    errors: [`a: Invalid value: "": "a" must not validate the schema (not)`],
  },
  {
    name: "duplicates in sets and maps",
    schema: {
      properties: {
        s: { type: "array", "x-kubernetes-list-type": "set" },
        m: { type: "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] },
      },
    },
    value: { s: ["a", "a"], m: [{ name: "x" }, { name: "x", v: 1 }] },
    errors: [`s[1]: Duplicate value: "a"`, `m[1]: Duplicate value: {"name":"x"}`],
  },
  {
    name: "formats",
    schema: {
      properties: { t: { type: "string", format: "date-time" }, u: { type: "string", format: "made-up" } },
    },
    value: { t: "yesterday", u: "?" },
    errors: [`t: Invalid value: "yesterday": t in body must be of type date-time: "yesterday"`],
  },
];
for (const { name, schema, value, errors } of cases)
  test(`validates ${name}`, () =>
    assert.deepEqual(
      validateSchema(value, schema).map(({ field, message }) => `${field}: ${message}`),
      errors,
    ));

test("prunes what the schema does not know, and says what", () => {
  const schema: SchemaNode = {
    properties: {
      a: { type: "object", properties: { b: {} } },
      list: { items: { type: "object", properties: { name: {} } } },
      free: { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: { known: { type: "object" } } },
      map: { additionalProperties: { type: "object" } },
      template: { type: "object", "x-kubernetes-embedded-resource": true },
    },
  };
  const value = {
    a: { b: 1, c: 2 },
    list: [{ name: "x", odd: 1 }],
    free: { any: { thing: 1 }, known: { not: 1 } },
    map: { k: { gone: 1 } },
    template: { apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, spec: {} },
    constructor: 1,
  };
  assert.deepEqual(pruneUnknown(value, schema), [
    "a.c",
    "list[0].odd",
    "free.known.not",
    "map.k.gone",
    "template.spec",
    "constructor",
  ]);
  assert.deepEqual(value, {
    a: { b: 1 },
    list: [{ name: "x" }],
    free: { any: { thing: 1 }, known: {} },
    map: { k: {} },
    template: { apiVersion: "v1", kind: "Pod", metadata: { name: "x" } },
  });
});

test("fills defaults, also within defaults, and takes a forbidden null as absent", () => {
  const schema: SchemaNode = {
    properties: {
      spec: { type: "object", default: {}, properties: { replicas: { type: "integer", default: 1 } } },
      list: { type: "array", items: { type: "object", properties: { p: { default: "TCP" } } } },
      n: { type: "string", nullable: true, default: "x" },
      dropped: { type: "string" },
      replaced: { type: "string", default: "d" },
    },
  };
  const value: JsonValue = { list: [{}, { p: "UDP" }], n: null, dropped: null, replaced: null };
  applySchemaDefaults(value, schema);
  assert.deepEqual(value, {
    list: [{ p: "TCP" }, { p: "UDP" }],
    n: null,
    replaced: "d",
    spec: { replicas: 1 },
  });
});

test("a value that nests too deep is an error, not a crash", () => {
  const schema: { type: string; properties: Record<string, SchemaNode> } = { type: "object", properties: {} };
  schema.properties["a"] = schema;
  let value: JsonValue = {};
  for (let i = 0; i < 1000; i += 1) value = { a: value };
  assert.match(validateSchema(value, schema)[0]?.message ?? "", /nests deeper/);
});
