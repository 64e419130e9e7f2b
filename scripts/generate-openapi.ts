/**
 * Writes `packages/apiserver/generated/openapi.json`: the facts of Kubernetes' published OpenAPI documents (types,
 * required members, defaults, list and merge keys, kinds) without their texts.
 *
 *     node scripts/generate-openapi.ts [DIR]
 *
 * DIR is Kubernetes' `api/openapi-spec/v3`; by default that of the module `k8s.io/kubernetes` in Go's module cache
 * (`go mod download k8s.io/kubernetes@v1.36.3`).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { isJsonObject, type JsonObject, type JsonValue } from "@kedge/kube";

const KUBERNETES_VERSION = "1.36.3";
const OUTPUT = new URL("../packages/apiserver/generated/openapi.json", import.meta.url);
const OUTPUT_BYTES_MAX = 1_500_000;

const DOCUMENTS = [
  "api__v1",
  "apis__apiextensions.k8s.io__v1",
  "apis__apps__v1",
  "apis__authentication.k8s.io__v1",
  "apis__authorization.k8s.io__v1",
  "apis__autoscaling__v1",
  "apis__autoscaling__v2",
  "apis__batch__v1",
  "apis__certificates.k8s.io__v1",
  "apis__coordination.k8s.io__v1",
  "apis__discovery.k8s.io__v1",
  "apis__events.k8s.io__v1",
  "apis__networking.k8s.io__v1",
  "apis__node.k8s.io__v1",
  "apis__policy__v1",
  "apis__rbac.authorization.k8s.io__v1",
  "apis__scheduling.k8s.io__v1",
  "apis__storage.k8s.io__v1",
];

const REF_PREFIX = "#/components/schemas/";
/** `DeleteOptions` and `WatchEvent` list every group there is, which says nothing. */
const KINDS_PER_SCHEMA_MAX = 3;
const GVK = "x-kubernetes-group-version-kind";

function schemasOf(file: string): JsonObject {
  const document = JSON.parse(readFileSync(file, "utf8")) as { components: { schemas: JsonObject } };
  return document.components.schemas;
}

/** Drops texts, and shortens `allOf: [{$ref}]` and `$ref` to the name alone. */
function facts(schema: JsonValue): JsonValue {
  if (Array.isArray(schema)) return schema.map(facts);
  if (!isJsonObject(schema)) return schema;
  const { description: _, allOf, $ref, properties, ...rest } = schema;
  const out: JsonObject = {};
  const only = Array.isArray(allOf) && allOf.length === 1 ? allOf[0] : undefined;
  const target = isJsonObject(only) ? only["$ref"] : $ref;
  if (typeof target === "string") out["$ref"] = target.slice(REF_PREFIX.length);
  else if (allOf !== undefined) throw new Error(`allOf that is no reference: ${JSON.stringify(allOf)}`);
  for (const [key, value] of Object.entries(rest)) out[key] = key === "default" ? value : facts(value);
  if (isJsonObject(properties)) out["properties"] = sorted(properties);
  const kinds = out[GVK];
  if (Array.isArray(kinds) && kinds.length > KINDS_PER_SCHEMA_MAX) delete out[GVK];
  return out;
}

/** Members are called `description` and `default`, too: here keys are names, not keywords. */
function sorted(properties: JsonObject): JsonObject {
  const names = Object.keys(properties).toSorted();
  return Object.fromEntries(names.map((name) => [name, facts(properties[name] ?? {})]));
}

const directory =
  process.argv[2] ??
  join(
    process.env["GOMODCACHE"] ?? join(homedir(), "go/pkg/mod"),
    `k8s.io/kubernetes@v${KUBERNETES_VERSION}/api/openapi-spec/v3`,
  );
const definitions: JsonObject = {};
for (const document of DOCUMENTS) Object.assign(definitions, schemasOf(join(directory, `${document}_openapi.json`)));
const text = `${JSON.stringify({ kubernetes: KUBERNETES_VERSION, definitions: sorted(definitions) }).replaceAll(/"io\.k8s\.[^"]+":\{/g, "\n$&")}\n`;
if (text.length > OUTPUT_BYTES_MAX)
  throw new Error(`the result has ${text.length} bytes, more than ${OUTPUT_BYTES_MAX}`);
writeFileSync(OUTPUT, text);
console.log(`${Object.keys(definitions).length} schemas, ${text.length} bytes`);
