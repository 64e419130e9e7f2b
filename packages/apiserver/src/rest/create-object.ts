import { randomUUID } from "node:crypto";
import type { KubeObject } from "@kedge/kube";
import { admitCreate } from "../admission/admit.ts";
import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import { storageKey } from "../storage/object-key.ts";
import type { LogWriter } from "../storage/revision-log.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import type { ApiContext } from "./api-context.ts";
import { asStored } from "./as-version.ts";
import { checkValid, pruneUnknown } from "./check-object.ts";
import { asObject, decodeBody } from "./decode-body.ts";
import { presenterOf } from "./get-object.ts";
import { metadataOf, type MutableMetadata } from "./mutable-metadata.ts";
import { randomName } from "./random-name.ts";
import { type ResourceRequest, storedAs } from "./resource-request.ts";
import { alreadyExists, badRequest, invalid } from "./status-error.ts";
import { timestamp } from "./timestamp.ts";
import { warningHeaders } from "./warnings.ts";
import { fieldValidationOf, isDryRun } from "./write-options.ts";

/** A generated name that is taken is drawn anew so often. */
const NAME_DRAWS_MAX = 8;

/** `POST …` of a collection. */
export async function createObject(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const { http, definition } = request;
  const presenter = presenterOf(context, request);
  const object = asObject(decodeBody(http), definition);
  if (object.metadata?.resourceVersion !== undefined && object.metadata.resourceVersion !== "")
    throw badRequest("resourceVersion should not be set on objects to be created");
  const warnings = pruneUnknown(object, definition, fieldValidationOf(http.query));
  const dryRun = isDryRun(http.query);
  const stored = await context.log.write((writer) => insertObject(context, writer, request, object), { dryRun });
  return jsonResponse(201, presenter.one(stored), warningHeaders(warnings));
}

/** Completes, admits, checks and stores a new object. */
export function insertObject(
  context: ApiContext,
  writer: LogWriter,
  request: ResourceRequest,
  object: KubeObject,
): StoredObject {
  const { definition } = request;
  const { type } = definition;
  const metadata = metadataOf(object);
  checkNamespace(object, request);
  metadata.name = nameOf(writer, request, metadata);
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(context.clock.now());
  for (const field of SERVER_FIELDS) delete metadata[field];
  const key = storageKey(storedAs(definition), { namespace: metadata.namespace, name: metadata.name });
  if (writer.get(key) !== undefined) throw alreadyExists(type, metadata.name);
  definition.applyDefaults(object);
  definition.prepareCreate(object);
  admitCreate({ writer, context, request, object });
  checkValid(object, undefined, definition);
  return writer.create(key, asStored(object, definition));
}

/** Nobody but the server sets these. */
const SERVER_FIELDS = ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"] as const;

/** The namespace comes from the path; one in the object must be the same. @throws KubeApiError `BadRequest` */
export function checkNamespace(object: KubeObject, { info, definition }: ResourceRequest): void {
  const metadata = metadataOf(object);
  if (!definition.type.namespaced) {
    delete metadata.namespace;
    return;
  }
  if (info.namespace === "") throw badRequest("an empty namespace may not be set during creation");
  if ((metadata.namespace ?? "") !== "" && metadata.namespace !== info.namespace)
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  metadata.namespace = info.namespace;
}

/** Its own, the one in the path (apply), or a generated one. @throws KubeApiError `Invalid` */
function nameOf(
  writer: LogWriter,
  request: ResourceRequest,
  { name = "", generateName = "" }: MutableMetadata,
): string {
  if (name !== "") return name;
  if (request.info.name !== "") return request.info.name;
  if (generateName !== "") return freeName(writer, request, generateName);
  const message = "Required value: name or generateName is required";
  throw invalid(request.definition.type, "", [{ field: "metadata.name", reason: "FieldValueRequired", message }]);
}

function freeName(writer: LogWriter, { definition, info }: ResourceRequest, prefix: string): string {
  let name = randomName(prefix);
  for (let draws = 1; draws < NAME_DRAWS_MAX; draws += 1) {
    if (writer.get(storageKey(storedAs(definition), { namespace: info.namespace, name })) === undefined) break;
    name = randomName(prefix);
  }
  return name;
}
