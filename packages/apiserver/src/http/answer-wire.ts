import { ANONYMOUS, type Authenticator } from "../auth/authenticator.ts";
import { impersonate } from "../auth/impersonate.ts";
import type { ApiContext } from "../rest/api-context.ts";
import { unauthorized } from "../rest/status-error.ts";
import type { ApiResponse } from "./api-exchange.ts";
import type { WireRequest } from "./https-server.ts";
import { refusal, respond } from "./respond.ts";
import { findRoute } from "./route-table.ts";

const NO_BODY = new Uint8Array();

/** Finds out who asks, and answers; nobody unknown gets further than the routes for anybody. */
export async function answerWire(
  context: ApiContext,
  authenticator: Authenticator,
  { socket, readBody, ...request }: WireRequest,
): Promise<ApiResponse> {
  try {
    if (findRoute(request.path)?.access === "anybody")
      return await respond(context, { ...request, body: NO_BODY, user: ANONYMOUS });
    const user = await authenticator.authenticate(socket, request.headers["authorization"]);
    if (user === undefined) throw unauthorized();
    const acting = impersonate(user, request.headers, context.authorizer);
    return await respond(context, { ...request, body: await readBody(), user: acting });
  } catch (error) {
    return refusal(context, request, error);
  }
}
