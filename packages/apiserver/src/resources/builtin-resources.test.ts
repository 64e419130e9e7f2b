import assert from "node:assert/strict";
import { test } from "node:test";
import { apiVersionOf, cloneJson, type KubeObject } from "@kedge/kube";
import { BUILTIN_OBJECTS } from "../../test/builtin-objects.ts";
import { INVALID_OBJECTS } from "../../test/invalid-objects.ts";
import { builtinResources } from "./builtin-resources.ts";
import type { ResourceDefinition } from "./resource-definition.ts";

const definitions = builtinResources();

function definitionOf({ apiVersion, kind }: KubeObject): ResourceDefinition {
  const found = definitions.find(({ type }) => type.kind === kind && apiVersionOf(type) === apiVersion);
  assert.ok(found);
  return found;
}

function created(sample: KubeObject): KubeObject {
  const object = structuredClone(sample);
  const definition = definitionOf(object);
  object.metadata = { ...object.metadata, uid: "u", ...(definition.type.namespaced && { namespace: "default" }) };
  definition.prune(object);
  definition.applyDefaults(object);
  definition.prepareCreate(object);
  return object;
}

test("every resource is there once", () => {
  const names = definitions.map(({ type }) => `${apiVersionOf(type)}/${type.resource}`);
  assert.equal(new Set(names).size, names.length);
});

for (const { name, object } of BUILTIN_OBJECTS) {
  const definition = definitionOf(object);
  const stored = created(object);

  test(`${object.kind} ${name} is valid, and has a cell for every column`, () => {
    assert.deepEqual(definition.validate(stored, undefined), []);
    assert.equal(definition.cells(stored, Date.now()).length, definition.columns.length);
    for (const value of Object.values(definition.selectableFields(stored))) assert.equal(typeof value, "string");
  });

  test(`${object.kind} ${name} stays as it is when it is written again`, () => {
    const again = cloneJson(stored);
    assert.deepEqual(definition.prune(again), []);
    definition.applyDefaults(again);
    definition.prepareUpdate(again, stored, "");
    assert.deepEqual(again, stored);
    assert.deepEqual(definition.validate(again, stored), []);
  });
}

for (const { name, object } of INVALID_OBJECTS)
  test(`refuses ${name}`, () => assert.notDeepEqual(definitionOf(object).validate(created(object), undefined), []));

test("a kind shows its cells even when nothing is there", () => {
  for (const definition of definitions) {
    const empty: KubeObject = { apiVersion: apiVersionOf(definition.type), kind: definition.type.kind, metadata: {} };
    definition.applyDefaults(empty);
    assert.equal(definition.cells(empty, 0).length, definition.columns.length);
    definition.validate(empty, undefined);
    definition.validate(empty, empty);
    definition.selectableFields(empty);
  }
});
