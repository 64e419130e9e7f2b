import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { CustomResourceDefinition, JsonObject, KubeObject } from "@kedge/kube";
import { parse } from "yaml";
import { builtinResources } from "../builtin-resources.ts";
import type { ResourceDefinition } from "../resource-definition.ts";
import { defineFromCrd } from "./define-from-crd.ts";
import { compileJsonPath } from "./json-path.ts";

const CRDS = builtinResources().find(({ type }) => type.kind === "CustomResourceDefinition");
assert.ok(CRDS);

function stored(crd: object): CustomResourceDefinition {
  const object = structuredClone(crd) as KubeObject;
  CRDS?.prune(object);
  CRDS?.applyDefaults(object);
  CRDS?.prepareCreate(object);
  return object as CustomResourceDefinition;
}

function widgetCrd(change: (crd: JsonObject, version: JsonObject) => void = () => undefined): CustomResourceDefinition {
  const version: JsonObject = {
    name: "v1",
    served: true,
    storage: true,
    subresources: {
      status: {},
      scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
    },
    additionalPrinterColumns: [
      { name: "Size", type: "string", jsonPath: ".spec.size" },
      { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    ],
    selectableFields: [{ jsonPath: ".spec.size" }],
    schema: {
      openAPIV3Schema: {
        type: "object",
        required: ["spec"],
        properties: {
          spec: {
            type: "object",
            properties: {
              size: { type: "string", enum: ["S", "L"], default: "S" },
              replicas: { type: "integer", minimum: 0 },
              port: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
            },
          },
          status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    },
  };
  const crd: JsonObject = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "widgets", kind: "Widget", shortNames: ["wi"] },
      versions: [version],
    },
  };
  change(crd, version);
  return stored(crd);
}

function widgets(): ResourceDefinition {
  const [definition] = defineFromCrd(widgetCrd());
  assert.ok(definition);
  return definition;
}

test("a definition is complete with little said", () => {
  const crd = widgetCrd();
  assert.deepEqual(CRDS.validate(crd, undefined), []);
  assert.equal(crd.spec.names.singular, "widget");
  assert.equal(crd.spec.names.listKind, "WidgetList");
  assert.deepEqual(crd.status?.storedVersions, ["v1"]);
});

test("a custom resource is pruned, defaulted and validated", () => {
  const definition = widgets();
  const object = {
    apiVersion: "example.com/v1",
    kind: "Widget",
    metadata: { name: "w", namespace: "default", foo: 1 },
    spec: { replicas: -1, unknown: 1, port: "http" },
    status: { any: 1 },
  };
  assert.deepEqual(definition.prune(object), ["metadata.foo", "spec.unknown"]);
  definition.applyDefaults(object);
  definition.prepareCreate(object);
  assert.deepEqual(object, {
    apiVersion: "example.com/v1",
    kind: "Widget",
    metadata: { name: "w", namespace: "default", generation: 1 },
    spec: { replicas: -1, port: "http", size: "S" },
  });
  assert.deepEqual(definition.validate(object, undefined), [
    {
      field: "spec.replicas",
      reason: "FieldValueInvalid",
      message: "Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
    },
    {
      field: ".spec.replicas",
      reason: "FieldValueInvalid",
      message: "Invalid value: -1: should be a non-negative integer",
    },
  ]);
});

test("status and the rest are written apart, and only the rest raises the generation", () => {
  const definition = widgets();
  const old = { metadata: { name: "w", generation: 3, labels: { a: "1" } }, spec: { size: "S" }, status: { n: 1 } };
  const main = { metadata: { name: "w" }, spec: { size: "L" }, status: { n: 2 } };
  definition.prepareUpdate(main, old, "");
  assert.deepEqual(main, { metadata: { name: "w", generation: 4 }, spec: { size: "L" }, status: { n: 1 } });
  const status = { metadata: { name: "w", labels: {} }, spec: { size: "L" }, status: { n: 2 } };
  definition.prepareUpdate(status, old, "status");
  assert.deepEqual(status, { ...old, status: { n: 2 } });
});

test("shows its columns and offers its fields", () => {
  const definition = widgets();
  const object = {
    metadata: { name: "w", namespace: "d", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { size: "L" },
    status: { conditions: [{ type: "Ready", status: "True" }] },
  } as unknown as KubeObject;
  const now = Date.parse("2026-01-01T00:05:00Z");
  assert.deepEqual(
    definition.columns.map(({ name }) => name),
    ["Name", "Size", "Ready", "Age"],
  );
  assert.deepEqual(definition.cells(object, now), ["w", "L", "True", "5m"]);
  assert.deepEqual(definition.selectableFields(object), {
    "metadata.name": "w",
    "metadata.namespace": "d",
    "spec.size": "L",
  });
});

function schemaOf(a: JsonObject): JsonObject {
  return { openAPIV3Schema: { type: "object", properties: { a } } };
}

test("a type beside int-or-string is taken, and means nothing", () => {
  const crd = widgetCrd((_, v) => (v["schema"] = schemaOf({ type: "string", "x-kubernetes-int-or-string": true })));
  assert.deepEqual(CRDS.validate(crd, undefined), []);
  const [definition] = defineFromCrd(crd);
  const object = { metadata: { name: "w", namespace: "d" }, a: 1 };
  assert.deepEqual(definition?.validate(object, undefined), []);
});

type Change = (crd: JsonObject, version: JsonObject) => void;
const bad: { name: string; change: Change; field: string }[] = [
  { name: "another name", change: (crd) => (crd["metadata"] = { name: "x" }), field: "metadata.name" },
  { name: "no schema", change: (_, v) => delete v["schema"], field: "spec.versions[0].schema.openAPIV3Schema" },
  { name: "no storage version", change: (_, v) => (v["storage"] = false), field: "spec.versions" },
  {
    name: "a webhook conversion",
    change: (crd) => Object.assign(crd["spec"] as JsonObject, { conversion: { strategy: "Webhook" } }),
    field: "spec.conversion.strategy",
  },
  {
    name: "a field without a type",
    change: (_, v) => (v["schema"] = { openAPIV3Schema: { type: "object", properties: { a: {} } } }),
    field: "spec.versions[0].schema.openAPIV3Schema.properties[a].type",
  },
  {
    name: "a bad default",
    change: (_, v) =>
      (v["schema"] = { openAPIV3Schema: { type: "object", properties: { a: { type: "integer", default: "x" } } } }),
    field: "spec.versions[0].schema.openAPIV3Schema.properties[a].default",
  },
  {
    name: "a bad pattern",
    change: (_, v) =>
      (v["schema"] = { openAPIV3Schema: { type: "object", properties: { a: { type: "string", pattern: "(" } } } }),
    field: "spec.versions[0].schema.openAPIV3Schema.properties[a].pattern",
  },
  {
    name: "lists that must be unique the slow way",
    change: (_, v) => (v["schema"] = schemaOf({ type: "array", uniqueItems: true, items: { type: "string" } })),
    field: "spec.versions[0].schema.openAPIV3Schema.properties[a].uniqueItems",
  },
  {
    name: "a map list of texts",
    change: (_, v) =>
      (v["schema"] = schemaOf({ type: "array", "x-kubernetes-list-type": "map", items: { type: "string" } })),
    field: "spec.versions[0].schema.openAPIV3Schema.properties[a].items.type",
  },
  {
    name: "metadata of its own",
    change: (_, v) =>
      (v["schema"] = {
        openAPIV3Schema: {
          type: "object",
          properties: { metadata: { type: "object", properties: { labels: { type: "object" } } } },
        },
      }),
    field: "spec.versions[0].schema.openAPIV3Schema.properties[metadata]",
  },
  {
    name: "a bad column path",
    change: (_, v) => (v["additionalPrinterColumns"] = [{ name: "X", type: "string", jsonPath: ".a[" }]),
    field: "spec.versions[0].additionalPrinterColumns[0].jsonPath",
  },
];
for (const { name, change, field } of bad)
  test(`refuses a definition with ${name}`, () =>
    assert.ok(CRDS.validate(widgetCrd(change), undefined).some((error) => error.field === field)));

test("a schema that nests without end is refused, not walked", () => {
  let schema: JsonObject = { type: "object" };
  for (let i = 0; i < 55; i += 1) schema = { type: "object", properties: { a: schema } };
  const errors = CRDS.validate(
    widgetCrd((_, v) => (v["schema"] = { openAPIV3Schema: schema })),
    undefined,
  );
  assert.ok(errors.some(({ message }) => message.includes("at most 48 levels")));
});

test("warns of rules that are not evaluated", () => {
  const crd = widgetCrd((_, v) => {
    v["schema"] = { openAPIV3Schema: { type: "object", "x-kubernetes-validations": [{ rule: "true" }] } };
  });
  assert.match(CRDS.warnings?.(crd)[0] ?? "", /not evaluated/);
});

const manifests = new URL("../../../../../manifests/crds/", import.meta.url);
for (const file of readdirSync(manifests).filter((name) => name.endsWith(".yaml")))
  test(`serves ${file}`, () => {
    const crd = stored(parse(readFileSync(new URL(file, manifests), "utf8")) as object);
    assert.deepEqual(CRDS.validate(crd, undefined), []);
    assert.ok(defineFromCrd(crd).length > 0);
  });

const paths: { path: string; found: unknown[] }[] = [
  { path: ".a.b", found: [1] },
  { path: "$.a.b", found: [1] },
  { path: ".a['x.y']", found: [2] },
  { path: '.a["x.y"]', found: [2] },
  { path: ".a.x\\.y", found: [2] },
  { path: ".l[0].n", found: ["p"] },
  { path: ".l[-1].n", found: ["q"] },
  { path: ".l[*].n", found: ["p", "q"] },
  { path: ".l[?(@.n=='q')].v", found: [4] },
  { path: ".l[?(@.v!=4)].n", found: ["p"] },
  { path: ".missing.x", found: [] },
  { path: ".constructor", found: [] },
];
for (const { path, found } of paths)
  test(`finds ${path}`, () => {
    const root = {
      a: { b: 1, "x.y": 2 },
      l: [
        { n: "p", v: 3 },
        { n: "q", v: 4 },
      ],
    };
    assert.deepEqual(compileJsonPath(path)(root), found);
  });
