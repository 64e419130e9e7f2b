import type { DeleteOptions } from "@kedge/kube";
import { admitDelete } from "../admission/admit.ts";
import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { keyPrefix } from "../storage/object-key.ts";
import type { LogWriter } from "../storage/revision-log.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import type { ApiContext } from "./api-context.ts";
import { markDeleted, mayBeRemoved } from "./delete-plan.ts";
import { presenterOf } from "./get-object.ts";
import { readPage } from "./list-objects.ts";
import { type ResourceRequest, storedAs } from "./resource-request.ts";
import { asApiError } from "./revision-query.ts";
import { conflict } from "./status-error.ts";
import { existing } from "./update-object.ts";
import { deleteOptionsOf, isDryRun } from "./write-options.ts";

interface Deletion {
  readonly state: StoredObject;
  readonly gone: boolean;
}

/** `DELETE …/<name>`. */
export async function deleteObject(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const options = deleteOptionsOf(request);
  const presenter = presenterOf(context, request);
  const { state, gone } = await context.log.write(
    (writer) => removeObject(context, writer, request, existing(writer, request), options),
    { dryRun: isDryRun(request.http.query, options.dryRun) },
  );
  const { type } = request.definition;
  // Pods are shown as they were, like everything that is still there; of the rest, that they are gone.
  if (!gone || (type.group === "" && type.resource === "pods")) return jsonResponse(200, presenter.one(state));
  return jsonResponse(200, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: {
      name: request.info.name,
      ...(type.group === "" ? {} : { group: type.group }),
      kind: type.resource,
      uid: state.object.metadata?.uid,
    },
  });
}

/** `DELETE …` of a collection: what the selectors select, each like a deletion of its own. */
export async function deleteCollection(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const options = deleteOptionsOf(request);
  const presenter = presenterOf(context, request);
  const dryRun = isDryRun(request.http.query, options.dryRun);
  let page: ReturnType<typeof readPage>;
  try {
    page = readPage(context, request);
  } catch (error) {
    throw asApiError(error);
  }
  const deletions = await Promise.all(
    page.items.map((item) =>
      context.log.write(
        (writer) => {
          const present = writer.get(item.key);
          if (present === undefined || present.object.metadata?.uid !== item.object.metadata?.uid) return undefined;
          return removeObject(context, writer, requestFor(request, present), present, options).state;
        },
        { dryRun },
      ),
    ),
  );
  const states = deletions.filter((state) => state !== undefined);
  return jsonResponse(200, presenter.list(states, { resourceVersion: String(context.log.revision) }));
}

/** @throws KubeApiError `Conflict`: a precondition does not hold */
export function removeObject(
  context: ApiContext,
  writer: LogWriter,
  request: ResourceRequest,
  current: StoredObject,
  options: DeleteOptions,
): Deletion {
  checkPreconditions(request, current, options);
  admitDelete({ context, writer, request });
  const object = current.copy();
  markDeleted(object, options, context.clock.now());
  if (!mayBeRemoved(object)) return { state: writer.update(current.key, object), gone: false };
  return { state: writer.delete(current.key, wasMarked(current) ? object : undefined), gone: true };
}

/** An object that goes at once is shown as it was, without marks. */
function wasMarked({ object }: StoredObject): boolean {
  return object.metadata?.deletionTimestamp !== undefined;
}

function checkPreconditions(
  { definition, info }: ResourceRequest,
  current: StoredObject,
  options: DeleteOptions,
): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { metadata } = current.object;
  if (uid !== undefined && uid !== metadata?.uid)
    throw conflict(
      definition.type,
      info.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata?.uid ?? ""}`,
    );
  if (resourceVersion !== undefined && resourceVersion !== metadata?.resourceVersion)
    throw conflict(
      definition.type,
      info.name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata?.resourceVersion ?? ""}`,
    );
}

function requestFor(request: ResourceRequest, stored: StoredObject): ResourceRequest {
  const { namespace = "", name = "" } = stored.object.metadata ?? {};
  return { ...request, info: { ...request.info, verb: "delete", namespace, name } };
}

/** Deletes everything of a resource, for whoever does away with the resource itself. @returns how many are still there */
export async function deleteAll(context: ApiContext, definition: ResourceDefinition): Promise<number> {
  const prefix = keyPrefix(storedAs(definition));
  for (const { key } of context.log.list(prefix))
    await context.log.write((writer) => {
      const object = writer.get(key)?.copy();
      if (object === undefined) return;
      markDeleted(object, {}, context.clock.now());
      if (mayBeRemoved(object)) writer.delete(key);
      else writer.update(key, object);
    });
  return context.log.count(prefix);
}
