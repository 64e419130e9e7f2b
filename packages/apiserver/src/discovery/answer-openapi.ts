import type { ApiRequest, ApiResponse } from "../http/api-exchange.ts";
import type { ApiContext } from "../rest/api-context.ts";
import { noSuchPath } from "../rest/status-error.ts";

/** `/openapi/v2` and `/openapi/v3`. */
export function answerOpenApi(_context: ApiContext, _request: ApiRequest): ApiResponse {
  throw noSuchPath();
}
