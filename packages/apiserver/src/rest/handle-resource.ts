import type { ApiRequest, ApiResponse } from "../http/api-exchange.ts";
import { answerMetrics } from "../metrics/answer-metrics.ts";
import { METRICS_GROUP } from "../metrics/metrics-definitions.ts";
import type { ApiContext } from "./api-context.ts";
import { createObject } from "./create-object.ts";
import { deleteCollection, deleteObject } from "./delete-object.ts";
import { getObject } from "./get-object.ts";
import { listObjects } from "./list-objects.ts";
import { patchObject } from "./patch-object.ts";
import { parseRequestInfo, type ResourceRequestInfo, type ResourceVerb } from "./request-info.ts";
import type { ResourceRequest } from "./resource-request.ts";
import { answerReview, isReview } from "./reviews.ts";
import { asApiError } from "./revision-query.ts";
import { badRequest, forbidden, methodNotAllowed, noSuchPath } from "./status-error.ts";
import { type ResourceHandler, subresourcesOf } from "./subresources/subresource-table.ts";
import { updateObject } from "./update-object.ts";
import { watchObjects } from "./watch-objects.ts";

const BY_VERB: Readonly<Record<ResourceVerb, ResourceHandler>> = {
  get: getObject,
  list: listObjects,
  watch: watchObjects,
  create: createObject,
  update: (context, request) => updateObject(context, request, ""),
  patch: (context, request) => patchObject(context, request, ""),
  delete: deleteObject,
  deletecollection: deleteCollection,
};

/** A request below `/api/v1` or `/apis/<group>/<version>`: who may, what is it, who handles it. @throws KubeApiError */
export async function handleResource(context: ApiContext, http: ApiRequest): Promise<ApiResponse> {
  const info = parseRequestInfo(http.method, http.path, http.query);
  if (info === undefined) throw noSuchPath();
  authorizeResource(context, http, info); // first: who may nothing learns nothing, not even what exists
  const definition = context.registry.find(info.group, info.version, info.resource);
  if (definition === undefined) throw noSuchPath();
  const { type } = definition;
  if (!type.namespaced && info.namespace !== "") throw noSuchPath();
  if (type.namespaced && info.namespace === "" && info.name !== "") throw noSuchPath();
  const request: ResourceRequest = { http, info, definition };
  try {
    return await handlerOf(request)(context, request);
  } catch (error) {
    throw asApiError(error);
  }
}

function handlerOf({ info, definition }: ResourceRequest): ResourceHandler {
  const { type } = definition;
  if (info.subresource !== "") {
    const subresource = subresourcesOf(definition).find(({ name }) => name === info.subresource);
    if (subresource === undefined) throw noSuchPath();
    if (!subresource.verbs.includes(info.verb)) throw methodNotAllowed(type);
    return subresource.handle;
  }
  if (isReview(type.group, type.resource)) {
    if (info.verb !== "create") throw methodNotAllowed(type);
    return answerReview;
  }
  if (type.group === METRICS_GROUP) {
    if (!definition.verbs.includes(info.verb)) throw methodNotAllowed(type);
    return answerMetrics;
  }
  if (!definition.verbs.includes(info.verb) || (info.verb === "create" && info.name !== ""))
    throw methodNotAllowed(type);
  if (type.namespaced && info.namespace === "" && (info.verb === "create" || info.verb === "deletecollection"))
    throw info.verb === "create"
      ? badRequest("an empty namespace may not be set during creation")
      : methodNotAllowed(type);
  return BY_VERB[info.verb];
}

function authorizeResource({ authorizer }: ApiContext, { user, query }: ApiRequest, info: ResourceRequestInfo): void {
  const { verb, group, resource, subresource, namespace } = info;
  // A list of one object by its name is about that object.
  const name = info.name === "" ? namedByFieldSelector(verb, query) : info.name;
  // A namespace is within itself: a role in it may allow to read it.
  const scope = group === "" && resource === "namespaces" ? info.name : namespace;
  const { allowed, reason } = authorizer.authorize(user, { ...info, name, namespace: scope });
  if (allowed) return;
  const what = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = scope === "" ? "at the cluster scope" : `in the namespace "${scope}"`;
  throw forbidden(
    { group, resource },
    info.name,
    `User "${user.username}" cannot ${verb} resource "${what}" in API group "${group}" ${where}${reason === "" ? "" : `: ${reason}`}`,
  );
}

function namedByFieldSelector(verb: ResourceVerb, query: URLSearchParams): string {
  if (verb !== "list" && verb !== "watch") return "";
  return /^metadata\.name==?([^,=]+)$/.exec(query.get("fieldSelector") ?? "")?.[1] ?? "";
}
