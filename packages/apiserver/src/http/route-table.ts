import { GROUP_MASTERS } from "../auth/user-info.ts";
import { answerDiscovery } from "../discovery/answer-discovery.ts";
import { answerOpenApi } from "../discovery/answer-openapi.ts";
import type { ApiContext } from "../rest/api-context.ts";
import { handleResource } from "../rest/handle-resource.ts";
import { forbiddenPath, methodNotAllowed, noSuchPath } from "../rest/status-error.ts";
import { SERVER_VERSION } from "../discovery/server-version.ts";
import { type ApiRequest, type ApiResponse, jsonResponse } from "./api-exchange.ts";

/**
 * Who may call a route. `anybody`: no credentials needed. `path`: known callers whom a role grants the path itself
 * (`nonResourceURLs`). `resource`: known callers whom a role grants the resource; {@link handleResource} asks.
 */
export type Access = "anybody" | "path" | "resource";

export interface Route {
  readonly path: RegExp;
  /** For people and tests. */
  readonly shape: string;
  readonly methods: readonly string[];
  readonly access: Access;
  readonly handle: (context: ApiContext, request: ApiRequest) => ApiResponse | Promise<ApiResponse>;
}

const READ = ["GET", "HEAD"];
const ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

function healthy(): ApiResponse {
  return { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body: "ok" };
}

/** Everything that the server answers; the first that fits counts, and what fits none is not there. */
export const ROUTES: readonly Route[] = [
  {
    path: /^\/(healthz|livez|readyz)(\/ping)?$/,
    shape: "/{healthz,livez,readyz}",
    methods: READ,
    access: "anybody",
    handle: healthy,
  },
  {
    path: /^\/version\/?$/,
    shape: "/version",
    methods: READ,
    access: "anybody",
    handle: () => jsonResponse(200, SERVER_VERSION),
  },
  { path: /^\/(api|apis)\/?$/, shape: "/api, /apis", methods: READ, access: "path", handle: answerDiscovery },
  { path: /^\/api\/v1\/?$/, shape: "/api/v1", methods: READ, access: "path", handle: answerDiscovery },
  {
    path: /^\/apis\/[^/]+(\/[^/]+)?\/?$/,
    shape: "/apis/{group}[/{version}]",
    methods: READ,
    access: "path",
    handle: answerDiscovery,
  },
  {
    path: /^\/openapi\/(v2|v3)(\/.*)?$/,
    shape: "/openapi/{v2,v3}",
    methods: READ,
    access: "path",
    handle: answerOpenApi,
  },
  {
    path: /^\/openid\/v1\/jwks$/,
    shape: "/openid/v1/jwks",
    methods: READ,
    access: "path",
    handle: ({ tokens }) => ({
      ...jsonResponse(200, tokens.keySet),
      headers: { "content-type": "application/jwk-set+json" },
    }),
  },
  { path: /^\/api\/v1\/.+$/, shape: "/api/v1/{resource}", methods: ALL, access: "resource", handle: handleResource },
  {
    path: /^\/apis\/[^/]+\/[^/]+\/.+$/,
    shape: "/apis/{group}/{version}/{resource}",
    methods: ALL,
    access: "resource",
    handle: handleResource,
  },
];

export function findRoute(path: string): Route | undefined {
  return ROUTES.find((route) => route.path.test(path));
}

/** Finds the route, asks whether this caller may, and has it answered. @throws KubeApiError */
export async function dispatch(context: ApiContext, request: ApiRequest): Promise<ApiResponse> {
  const route = findRoute(request.path);
  if (route?.access !== "anybody" && route?.access !== "resource") authorizePath(context, request);
  if (route === undefined) throw noSuchPath();
  if (!route.methods.includes(request.method)) throw methodNotAllowed();
  return route.handle(context, request);
}

/** Also for paths that do not exist: who may nothing does not learn what does. */
function authorizePath({ authorizer }: ApiContext, { user, method, path }: ApiRequest): void {
  if (user.groups.includes(GROUP_MASTERS)) return;
  const verb = method === "HEAD" ? "get" : method.toLowerCase();
  if (!authorizer.authorize(user, { verb, path }).allowed)
    throw forbiddenPath(`User "${user.username}" cannot ${verb} path "${path}"`);
}
