import type { KubeApiError, KubeObject } from "@kedge/kube";
import { admitUpdate } from "../admission/admit.ts";
import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import type { FieldError } from "../resources/resource-definition.ts";
import type { LogWriter } from "../storage/revision-log.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import type { ApiContext } from "./api-context.ts";
import { asStored, asVersion } from "./as-version.ts";
import { checkValid, pruneUnknown } from "./check-object.ts";
import { checkNamespace, insertObject } from "./create-object.ts";
import { asObject, decodeBody } from "./decode-body.ts";
import { mayBeRemoved } from "./delete-plan.ts";
import { presenterOf } from "./get-object.ts";
import { metadataOf } from "./mutable-metadata.ts";
import { keyOfRequest, type ResourceRequest } from "./resource-request.ts";
import { badRequest, conflict, invalid, MODIFIED_SINCE, notFound } from "./status-error.ts";
import { checkVersionGiven, createsOnUpdate } from "./update-rules.ts";
import { warningHeaders } from "./warnings.ts";
import { fieldValidationOf, isDryRun } from "./write-options.ts";

/** Which part of an object a write is about; the rest is kept as it was. */
export type WrittenPart = "" | "status" | "scale";

/** `PUT …/<name>` and `…/<name>/status`. */
export async function updateObject(
  context: ApiContext,
  request: ResourceRequest,
  part: WrittenPart,
): Promise<ApiResponse> {
  const { http, definition } = request;
  const presenter = presenterOf(context, request);
  const object = asObject(decodeBody(http), definition);
  const warnings = pruneUnknown(object, definition, fieldValidationOf(http.query));
  const { stored, created } = await context.log.write(
    (writer) => {
      const current = writer.get(keyOfRequest(request));
      if (current === undefined && part === "" && mayCreate(context, request, object))
        return { stored: insertObject(context, writer, request, object), created: true };
      const present = existing(writer, request);
      checkVersionGiven(object, definition);
      return { stored: replaceObject(context, writer, request, present, object, part), created: false };
    },
    { dryRun: isDryRun(http.query) },
  );
  return jsonResponse(created ? 201 : 200, presenter.one(stored), warningHeaders(warnings));
}

/** Whether a PUT of something new creates it: the resource is of that kind, and its author may create it. */
function mayCreate(
  { authorizer }: ApiContext,
  { definition, info, http }: ResourceRequest,
  object: KubeObject,
): boolean {
  if (!createsOnUpdate(definition) || (object.metadata?.resourceVersion ?? "") !== "") return false;
  return authorizer.authorize(http.user, { ...info, verb: "create" }).allowed;
}

/** @throws KubeApiError `NotFound` */
export function existing(writer: Pick<LogWriter, "get">, request: ResourceRequest): StoredObject {
  const stored = writer.get(keyOfRequest(request));
  if (stored === undefined) throw notFound(request.definition.type, request.info.name);
  return stored;
}

/** Checks and stores the next state of an object; one that was only waiting for its finalizers goes. */
export function replaceObject(
  context: ApiContext,
  writer: LogWriter,
  request: ResourceRequest,
  current: StoredObject,
  object: KubeObject,
  part: WrittenPart,
): StoredObject {
  const { definition, info } = request;
  const old = asVersion(current, definition);
  checkIdentity(object, old, request);
  keepServerFields(object, old);
  definition.applyDefaults(object);
  definition.prepareUpdate(object, old, part);
  admitUpdate({ writer, context, request, object, old });
  checkValid(object, old, definition);
  metadataOf(object).name = info.name;
  const next = asStored(object, definition);
  return mayBeRemoved(next) ? writer.delete(current.key, next) : writer.update(current.key, next);
}

/** @throws KubeApiError `BadRequest`: another object; `Conflict`: changed since, or deleted and created anew. */
function checkIdentity(object: KubeObject, old: KubeObject, request: ResourceRequest): void {
  const { type } = request.definition;
  const { name } = request.info;
  const metadata = metadataOf(object);
  metadata.name ??= name;
  if (metadata.name !== name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  checkNamespace(object, request);
  const { uid = "", resourceVersion = "" } = metadata;
  if (uid !== "" && uid !== old.metadata?.uid) throw otherUid(request, uid, old);
  if (resourceVersion !== "" && resourceVersion !== "0" && resourceVersion !== old.metadata?.resourceVersion)
    throw conflict(type, name, MODIFIED_SINCE);
}

/** A PUT means this one object; a patch would change its UID, like any other field. */
function otherUid({ definition, info, http }: ResourceRequest, uid: string, old: KubeObject): KubeApiError {
  const { type } = definition;
  if (http.method === "PUT")
    return conflict(
      type,
      info.name,
      `StorageError: invalid object, Code: 4, Key: ${info.name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata?.uid ?? ""}`,
    );
  const message = `Invalid value: ${JSON.stringify(uid)}: field is immutable`;
  const error: FieldError = { field: "metadata.uid", reason: "FieldValueInvalid", message };
  return invalid(type, info.name, [error, error]); // Kubernetes finds it in all objects, and again in those of this kind
}

const KEPT_FIELDS = [
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generation",
  "generateName",
] as const;

function keepServerFields(object: KubeObject, old: KubeObject): void {
  const metadata = metadataOf(object) as Record<string, unknown>;
  for (const field of KEPT_FIELDS) {
    const value = old.metadata?.[field];
    if (value === undefined) delete metadata[field];
    else metadata[field] = value;
  }
  delete metadata["selfLink"];
  delete metadata["managedFields"];
}
