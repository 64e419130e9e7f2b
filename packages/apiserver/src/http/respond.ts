import { KubeApiError } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import type { ApiContext } from "../rest/api-context.ts";
import { internalError } from "../rest/status-error.ts";
import { type ApiRequest, type ApiResponse, jsonResponse } from "./api-exchange.ts";
import { dispatch } from "./route-table.ts";

/** Answers a request of a known caller, refusals included; never throws. */
export async function respond(context: ApiContext, request: ApiRequest): Promise<ApiResponse> {
  try {
    return await dispatch(context, request);
  } catch (error) {
    return refusal(context, request, error);
  }
}

/** An error as an answer; what is no refusal is our fault, and logged. */
export function refusal(
  context: ApiContext,
  request: Pick<ApiRequest, "method" | "path">,
  error: unknown,
): ApiResponse {
  if (error instanceof KubeApiError) return statusResponse(error);
  const { method, path } = request;
  context.logger.error({ error: toError(error), method, path }, "request failed");
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
