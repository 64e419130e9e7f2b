import { KubeApiError } from "@kedge/kube";
import { hasCode, toError } from "@kedge/runtime";
import type { ApiContext } from "../rest/api-context.ts";
import { badRequest, internalError, tooManyRequests, unavailable } from "../rest/status-error.ts";
import { type ApiRequest, type ApiResponse, jsonResponse } from "./api-exchange.ts";
import { dispatch } from "./route-table.ts";

const SQLITE_FULL = 13;

/** Answers a request of a known caller, refusals included; never throws. */
export async function respond(context: ApiContext, request: ApiRequest): Promise<ApiResponse> {
  try {
    if (context.log.closed) return statusResponse(stopping());
    return await dispatch(context, request);
  } catch (error) {
    return refusal(context, request, error);
  }
}

function stopping(): KubeApiError {
  return unavailable("the API server is stopping");
}

/** An error as an answer; what is no refusal is our fault, and logged. */
export function refusal(
  context: ApiContext,
  request: Pick<ApiRequest, "method" | "path">,
  error: unknown,
): ApiResponse {
  if (error instanceof KubeApiError) return statusResponse(error);
  if (hasCode(error, "DatabaseClosed") || context.log.closed) return statusResponse(stopping());
  if (hasCode(error, "WriteQueueFull")) return statusResponse(tooManyRequests(error.message, 1));
  if (error instanceof RangeError && error.message.includes("call stack"))
    return statusResponse(badRequest("the request's object is nested too deeply"));
  const { method, path } = request;
  context.logger.error({ error: toError(error), method, path }, "request failed");
  if ((error as { errcode?: unknown }).errcode === SQLITE_FULL)
    return statusResponse(unavailable("the disk that holds the API server's state is full: make room on it"));
  return statusResponse(internalError(toError(error).message));
}

export function statusResponse({ status, details }: KubeApiError): ApiResponse {
  const { retryAfterSeconds } = status.details ?? {};
  return jsonResponse(
    details.httpStatus,
    status,
    retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) },
  );
}
