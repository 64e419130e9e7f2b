import assert from "node:assert/strict";
import { test } from "node:test";
import { isJsonObject, type CustomResourceDefinition, type JsonObject, type JsonValue } from "@kedge/kube";
import { builtinResources } from "../resources/builtin-resources.ts";
import { defineFromCrd } from "../resources/crd/define-from-crd.ts";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { OpenApiPublisher } from "./openapi-publisher.ts";

const PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

const CRD = {
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", kind: "Widget" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: {
                  port: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
                  note: { type: "string", nullable: true },
                },
              },
            },
          },
        },
      },
    ],
  },
} as unknown as CustomResourceDefinition;

class Source {
  generation = 1;
  definitions: readonly ResourceDefinition[] = builtinResources();
  all(): readonly ResourceDefinition[] {
    return this.definitions;
  }
}

function published(): { source: Source; publisher: OpenApiPublisher } {
  const source = new Source();
  return { source, publisher: new OpenApiPublisher(source, "v1.36.3") };
}

function parsed(body: Buffer): JsonObject {
  return JSON.parse(body.toString("utf8")) as JsonObject;
}

function referencesOf(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesOf);
  if (!isJsonObject(value)) return [];
  const own = typeof value["$ref"] === "string" ? [value["$ref"]] : [];
  return [...own, ...Object.values(value).flatMap(referencesOf)];
}

function find(root: JsonValue, pointer: string): JsonValue | undefined {
  return pointer
    .slice(2)
    .split("/")
    .reduce<JsonValue | undefined>((value, key) => (isJsonObject(value) ? value[key] : undefined), root);
}

function withCrd(source: Source): void {
  source.definitions = [...builtinResources(), ...defineFromCrd(CRD)];
  source.generation += 1;
}

test("no reference of OpenAPI 2 leads nowhere", () => {
  const { publisher, source } = published();
  withCrd(source);
  const document = parsed(publisher.v2("application/json").body);
  for (const reference of new Set(referencesOf(document))) assert.ok(find(document, reference), reference);
});

test("no reference of OpenAPI 3 leads nowhere, in any group", () => {
  const { publisher, source } = published();
  withCrd(source);
  const paths = Object.keys(parsed(publisher.v3Index().body)["paths"] as JsonObject);
  assert.ok(paths.includes("api/v1") && paths.includes("apis/apps/v1") && paths.includes("apis/example.com/v1"));
  for (const path of paths) {
    const document = parsed(publisher.v3(path)?.body ?? Buffer.from("null"));
    for (const reference of new Set(referencesOf(document)))
      assert.ok(find(document, reference), `${path}: ${reference}`);
  }
});

test("holds what kubectl looks for: kinds, merge keys, and which patches a path takes", () => {
  const document = parsed(published().publisher.v3("apis/apps/v1")?.body ?? Buffer.alloc(0));
  const text = JSON.stringify(document);
  assert.ok(text.includes(`"x-kubernetes-group-version-kind":[{"group":"apps","kind":"Deployment","version":"v1"}]`));
  assert.ok(text.includes(`"x-kubernetes-patch-merge-key":"name"`));
  const paths = document["paths"] as Record<string, JsonObject>;
  const patch = JSON.stringify(paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]?.["patch"]);
  for (const part of ["strategic-merge-patch+json", "fieldValidation", "dryRun", `"kind":"Deployment"`])
    assert.ok(patch.includes(part), part);
});

test("nothing of our own, and no texts of others, are published", () => {
  const { publisher } = published();
  const text = publisher.v2("application/json").body.toString("utf8");
  assert.ok(!text.includes("omitZero"));
  assert.ok(!text.includes('"description":"If '));
});

test("a definition that comes or goes changes the documents and their tags; otherwise they are kept", () => {
  const { source, publisher } = published();
  const before = publisher.v2("application/json");
  assert.equal(publisher.v2("application/json"), before);
  assert.equal(publisher.v3("apis/example.com/v1"), undefined);
  withCrd(source);
  const after = publisher.v2("application/json");
  assert.notEqual(after.etag, before.etag);
  assert.ok(after.body.includes("com.example.v1.Widget"));
  assert.ok(publisher.v3("apis/example.com/v1"));
});

test("OpenAPI 2 says less of custom fields rather than something wrong", () => {
  const { source, publisher } = published();
  withCrd(source);
  const definitions = parsed(publisher.v2("application/json").body)["definitions"] as JsonObject;
  const spec = find(definitions, "#/com.example.v1.Widget/properties/spec/properties");
  assert.deepEqual(spec, { port: { "x-kubernetes-int-or-string": true }, note: {} });
});

test("OpenAPI 2 is also there as protobuf, with every definition", () => {
  const { publisher } = published();
  const { body, contentType } = publisher.v2(PROTOBUF);
  assert.equal(contentType, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  const json = parsed(publisher.v2("application/json").body);
  const fields = readFields(body);
  assert.equal(text(fields.get(1)?.[0]), "2.0");
  const definitions = readFields(fields.get(9)?.[0] ?? Buffer.alloc(0)).get(1) ?? [];
  const names = definitions.map((named) => text(readFields(named).get(1)?.[0]));
  assert.deepEqual(names, Object.keys(json["definitions"] as JsonObject));
  const paths = readFields(fields.get(8)?.[0] ?? Buffer.alloc(0)).get(2) ?? [];
  assert.equal(paths.length, Object.keys(json["paths"] as JsonObject).length);
});

function text(bytes: Buffer | undefined): string {
  return bytes?.toString("utf8") ?? "";
}

/** Length-delimited fields of one message, by number. */
function readFields(message: Buffer): Map<number, Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    assert.equal(tag % 8, 2, "all fields of these messages are length-delimited");
    const length = varint();
    const list = fields.get(Math.floor(tag / 8)) ?? [];
    list.push(message.subarray(at, at + length));
    fields.set(Math.floor(tag / 8), list);
    at += length;
  }
  return fields;
}
