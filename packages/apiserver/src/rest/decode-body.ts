import { apiVersionOf, isJsonObject, type KubeObject } from "@kedge/kube";
import { parse as parseYaml } from "yaml";
import type { ApiRequest } from "../http/api-exchange.ts";
import { decodeProtobuf, PROTOBUF_MEDIA_TYPE } from "../protobuf/decode-protobuf.ts";
import { ProtobufError } from "../protobuf/protobuf-error.ts";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { badRequest, unsupportedMediaType } from "./status-error.ts";

const YAML_TYPES: ReadonlySet<string> = new Set(["application/yaml", "application/x-yaml", "text/yaml"]);
/** Aliases may blow a small text up to a huge value. */
const YAML_ALIASES_MAX = 100;

/** The media type of the body, without parameters; JSON if the caller did not say. */
export function contentTypeOf({ headers }: Pick<ApiRequest, "headers">): string {
  return (headers["content-type"] ?? "application/json").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** The body as plain data. @throws KubeApiError `UnsupportedMediaType`, `BadRequest` */
export function decodeBody(request: Pick<ApiRequest, "headers" | "body">): unknown {
  const contentType = contentTypeOf(request);
  if (contentType === PROTOBUF_MEDIA_TYPE) return decodeProtobufBody(request.body);
  const text = Buffer.from(request.body).toString("utf8");
  if (contentType === "application/json") return parseJsonBody(text);
  if (YAML_TYPES.has(contentType)) return parseYamlBody(text);
  throw unsupportedMediaType(`application/json, application/yaml, ${PROTOBUF_MEDIA_TYPE}`);
}

function decodeProtobufBody(body: Uint8Array): unknown {
  try {
    return decodeProtobuf(body);
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    throw error.code === "UnknownKind"
      ? unsupportedMediaType("application/json, application/yaml")
      : badRequest(error.message);
  }
}

export function parseJsonBody(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw badRequest(`the body is not valid JSON: ${(error as Error).message}`);
  }
}

export function parseYamlBody(text: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: YAML_ALIASES_MAX, schema: "core" }) as unknown;
  } catch (error) {
    throw badRequest(`the body is not valid YAML: ${(error as Error).message}`);
  }
}

/**
 * The body as an object of the resource asked for; `apiVersion` and `kind` are filled in if absent.
 *
 * @throws KubeApiError `BadRequest`: it is something else.
 */
export function asObject(body: unknown, definition: Pick<ResourceDefinition, "type">): KubeObject {
  if (!isJsonObject(body)) throw badRequest("the body must be an object");
  const object = body as KubeObject;
  const apiVersion = apiVersionOf(definition.type);
  const { kind } = definition.type;
  object.apiVersion ??= apiVersion;
  object.kind ??= kind;
  if (object.kind !== kind)
    throw badRequest(
      `${String(object.kind)} in version "${String(object.apiVersion)}" cannot be handled as a ${kind}: no kind "${String(object.kind)}" is served here`,
    );
  if (object.apiVersion !== apiVersion)
    throw badRequest(
      `the API version in the data (${String(object.apiVersion)}) does not match the expected API version (${apiVersion})`,
    );
  object.metadata ??= {};
  if (!isJsonObject(object.metadata)) throw badRequest("metadata must be an object");
  return object;
}
