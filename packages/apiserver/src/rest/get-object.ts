import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import type { ApiContext } from "./api-context.ts";
import { negotiate } from "./negotiate.ts";
import { includeObjectOf, Presenter } from "./present.ts";
import { keyOfRequest, type ResourceRequest } from "./resource-request.ts";
import { asApiError, revisionOf } from "./revision-query.ts";
import { notFound } from "./status-error.ts";

/** `GET …/<name>`: always the newest state, which is at least as new as any `resourceVersion` asked for. */
export function getObject(context: ApiContext, request: ResourceRequest): ApiResponse {
  const presenter = presenterOf(context, request);
  const revision = revisionOf(request.http.query) ?? 0;
  try {
    if (revision > 0) context.log.checkRevision(Math.max(revision, context.log.compactedRevision));
  } catch (error) {
    throw asApiError(error);
  }
  const stored = context.log.get(keyOfRequest(request));
  if (stored === undefined) throw notFound(request.definition.type, request.info.name);
  return jsonResponse(200, presenter.one(stored));
}

export function presenterOf(context: ApiContext, { http, definition }: ResourceRequest): Presenter {
  return new Presenter(definition, {
    form: negotiate(http.headers["accept"]),
    includeObject: includeObjectOf(http.query),
    nowMs: context.clock.now(),
  });
}
