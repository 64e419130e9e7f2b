import { isJsonObject, type JsonObject, type JsonValue } from "@kedge/kube";
import { ProtobufWriter } from "./protobuf-writer.ts";

/**
 * An OpenAPI 2 document as protobuf, the only form that older clients ask for.
 *
 * @see gnostic-models `openapiv2/OpenAPIv2.proto`, whose messages and field numbers these are. Of each message only
 *   those fields are written that our documents use.
 */
export function encodeOpenApiV2(document: JsonObject): Buffer {
  return new ProtobufWriter()
    .string(1, document["swagger"])
    .message(2, encodeInfo(objectOf(document["info"])))
    .message(8, encodePaths(objectOf(document["paths"])))
    .message(9, encodeNamedSchemas(objectOf(document["definitions"])))
    .finish();
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function listOf(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function encodeInfo(info: JsonObject): ProtobufWriter {
  return new ProtobufWriter().string(1, info["title"]).string(2, info["version"]);
}

/** Values of any form travel as YAML text, of which JSON is a part. */
function encodeAny(value: JsonValue): ProtobufWriter {
  return new ProtobufWriter().string(2, `${JSON.stringify(value)}\n`);
}

/** Every `x-…` member as a NamedAny. */
function addExtensions(writer: ProtobufWriter, field: number, object: JsonObject): ProtobufWriter {
  for (const [name, value] of Object.entries(object))
    if (name.startsWith("x-")) writer.message(field, new ProtobufWriter().string(1, name).message(2, encodeAny(value)));
  return writer;
}

function encodePaths(paths: JsonObject): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const [path, item] of Object.entries(paths))
    writer.message(2, new ProtobufWriter().string(1, path).message(2, encodePathItem(objectOf(item))));
  return writer;
}

const METHOD_FIELDS: Readonly<Record<string, number>> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 };

function encodePathItem(item: JsonObject): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const [method, field] of Object.entries(METHOD_FIELDS))
    if (isJsonObject(item[method])) writer.message(field, encodeOperation(item[method]));
  for (const parameter of listOf(item["parameters"])) writer.message(9, encodeParameter(objectOf(parameter)));
  return writer;
}

function encodeOperation(operation: JsonObject): ProtobufWriter {
  const writer = new ProtobufWriter()
    .strings(1, operation["tags"])
    .string(5, operation["operationId"])
    .strings(6, operation["produces"])
    .strings(7, operation["consumes"]);
  for (const parameter of listOf(operation["parameters"])) writer.message(8, encodeParameter(objectOf(parameter)));
  writer.message(9, encodeResponses(objectOf(operation["responses"]))).strings(10, operation["schemes"]);
  return addExtensions(writer, 13, operation);
}

/** ParametersItem → Parameter → BodyParameter, or → NonBodyParameter → one message for each place. */
function encodeParameter(parameter: JsonObject): ProtobufWriter {
  const inner = parameter["in"] === "body" ? bodyParameter(parameter) : otherParameter(parameter);
  return new ProtobufWriter().message(1, inner);
}

function bodyParameter(parameter: JsonObject): ProtobufWriter {
  const body = new ProtobufWriter()
    .string(2, parameter["name"])
    .string(3, "body")
    .boolean(4, parameter["required"])
    .message(5, encodeSchema(objectOf(parameter["schema"])));
  return new ProtobufWriter().message(1, body);
}

function otherParameter(parameter: JsonObject): ProtobufWriter {
  const { required, name, type, uniqueItems } = parameter;
  const writer = new ProtobufWriter().boolean(1, required).string(2, parameter["in"]).string(4, name);
  // The messages of the two places differ in that only queries may be empty, which moves the later fields by one.
  const isPath = parameter["in"] === "path";
  writer.string(isPath ? 5 : 6, type).boolean(isPath ? 19 : 20, uniqueItems);
  return new ProtobufWriter().message(2, new ProtobufWriter().message(isPath ? 4 : 3, writer));
}

function encodeResponses(responses: JsonObject): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const [code, response] of Object.entries(responses)) {
    const { description, schema } = objectOf(response);
    const message = new ProtobufWriter().string(1, description);
    if (isJsonObject(schema)) message.message(2, new ProtobufWriter().message(1, encodeSchema(schema)));
    const value = new ProtobufWriter().message(1, message);
    writer.message(1, new ProtobufWriter().string(1, code).message(2, value));
  }
  return writer;
}

/** `Definitions` and `Properties` alike: a list of named schemas. */
function encodeNamedSchemas(schemas: JsonObject): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const [name, schema] of Object.entries(schemas))
    writer.message(1, new ProtobufWriter().string(1, name).message(2, encodeSchema(objectOf(schema))));
  return writer;
}

function encodeSchema(schema: JsonObject): ProtobufWriter {
  const writer = new ProtobufWriter()
    .string(1, schema["$ref"])
    .string(2, schema["format"])
    .string(3, schema["title"])
    .string(4, schema["description"])
    .double(6, schema["multipleOf"])
    .double(7, schema["maximum"])
    .boolean(8, schema["exclusiveMaximum"])
    .double(9, schema["minimum"])
    .boolean(10, schema["exclusiveMinimum"])
    .integer(11, schema["maxLength"])
    .integer(12, schema["minLength"])
    .string(13, schema["pattern"])
    .integer(14, schema["maxItems"])
    .integer(15, schema["minItems"])
    .boolean(16, schema["uniqueItems"])
    .integer(17, schema["maxProperties"])
    .integer(18, schema["minProperties"])
    .strings(19, schema["required"]);
  for (const value of listOf(schema["enum"])) writer.message(20, encodeAny(value));
  const { additionalProperties, type, items, properties } = schema;
  if (isJsonObject(additionalProperties))
    writer.message(21, new ProtobufWriter().message(1, encodeSchema(additionalProperties)));
  if (typeof type === "string") writer.message(22, new ProtobufWriter().strings(1, [type]));
  if (isJsonObject(items)) writer.message(23, new ProtobufWriter().message(1, encodeSchema(items)));
  if (isJsonObject(properties)) writer.message(25, encodeNamedSchemas(properties));
  return addExtensions(writer, 31, schema);
}
