/**
 * Writes `packages/apiserver/generated/openapi.json`: the facts of Kubernetes' published OpenAPI documents (types,
 * required members, defaults, list and merge keys, kinds) without their texts. The one fact that the documents lack, and
 * the Go types have, is added: which members are left out when they are zero (`omitZero`).
 *
 *     go mod download k8s.io/kubernetes@v1.36.3 k8s.io/api@v0.36.3 …
 *     node scripts/generate-openapi.ts
 *
 * Reads Go's module cache (`GOMODCACHE`, by default `~/go/pkg/mod`).
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
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

const modules = process.env["GOMODCACHE"] ?? join(homedir(), "go/pkg/mod");
const moduleVersion = KUBERNETES_VERSION.replace(/^1/, "0");

/** Where the Go types of a schema are: `io.k8s.api.core.v1.Pod` → folder and struct. */
function goTypeOf(schema: string): { folder: string; struct: string } | undefined {
  const parts = schema.split(".");
  const [, , ...path] = parts;
  const struct = path.pop() ?? "";
  const [name = "", ...inner] = path;
  const root = `k8s.io/${name}@v${moduleVersion}`;
  return ["api", "apimachinery", "apiextensions-apiserver"].includes(name)
    ? { folder: join(modules, root, ...inner), struct }
    : undefined;
}

const sources = new Map<string, string>();

function goSource(folder: string): string {
  const known = sources.get(folder);
  if (known !== undefined) return known;
  const files = readdirSync(folder).filter((name) => /^(micro_)?types.*\.go$/.test(name));
  const source = files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
  sources.set(folder, source);
  return source;
}

const FIELD = /^\t(?:(\w+)\s+)?(\S+)\s+`json:"([^,"]*)((?:,[a-z]+)*)"/gm;

/** JSON names of a struct's members that are left out when zero and are not pointers. */
function omittedWhenZero(folder: string, struct: string): string[] {
  const [, body = ""] = new RegExp(`^type ${struct} struct {\\n([^]*?)^}`, "m").exec(goSource(folder)) ?? [];
  return [...body.matchAll(FIELD)].flatMap(([, , type = "", name = "", options = ""]) => {
    if (options.includes(",inline")) return omittedWhenZero(folder, type);
    return options.includes(",omitempty") && !/^(\*|\[|map)/.test(type) ? [name] : [];
  });
}

/** Marks them, where the schema says that they are scalars. */
function markOmitted(definition: JsonObject, name: string): void {
  const place = goTypeOf(name);
  const { properties } = definition;
  if (place === undefined || !isJsonObject(properties)) return;
  for (const member of omittedWhenZero(place.folder, place.struct)) {
    const schema = properties[member];
    if (isJsonObject(schema) && ["boolean", "integer", "string"].some((type) => schema["type"] === type))
      schema["omitZero"] = true;
  }
}

const directory = join(modules, `k8s.io/kubernetes@v${KUBERNETES_VERSION}/api/openapi-spec/v3`);
const definitions: JsonObject = {};
for (const document of DOCUMENTS) Object.assign(definitions, schemasOf(join(directory, `${document}_openapi.json`)));
const stripped = sorted(definitions);
for (const [name, definition] of Object.entries(stripped)) if (isJsonObject(definition)) markOmitted(definition, name);
const lines = JSON.stringify({ kubernetes: KUBERNETES_VERSION, definitions: stripped });
const text = `${lines.replaceAll(/"io\.k8s\.[^"]+":\{/g, "\n$&")}\n`;
if (text.length > OUTPUT_BYTES_MAX)
  throw new Error(`the result has ${text.length} bytes, more than ${OUTPUT_BYTES_MAX}`);
writeFileSync(OUTPUT, text);
console.log(`${Object.keys(definitions).length} schemas, ${text.length} bytes`);
