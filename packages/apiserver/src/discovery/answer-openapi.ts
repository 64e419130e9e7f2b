import type { ApiRequest, ApiResponse } from "../http/api-exchange.ts";
import type { OpenApiDocument } from "../openapi/openapi-publisher.ts";
import type { ApiContext } from "../rest/api-context.ts";
import { noSuchPath } from "../rest/status-error.ts";

/** `/openapi/v2`, `/openapi/v3` and the documents that the latter names; unchanged ones are not sent again. */
export function answerOpenApi({ openApi }: ApiContext, { path, headers, query }: ApiRequest): ApiResponse {
  const document = find(openApi, path, headers["accept"]);
  if (document === undefined) throw noSuchPath();
  const { contentType, body, etag } = document;
  const common = {
    etag,
    vary: "Accept",
    // An address with a hash names its content.
    "cache-control": query.has("hash") ? "public, max-age=31536000, immutable" : "no-cache, private",
  };
  if (headers["if-none-match"] === etag) return { status: 304, headers: common, body: "" };
  return { status: 200, headers: { ...common, "content-type": contentType }, body };
}

function find(openApi: ApiContext["openApi"], path: string, accept = "application/json"): OpenApiDocument | undefined {
  const [, version, ...rest] = path.split("/").slice(1);
  if (version === "v2") return rest.length === 0 ? openApi.v2(accept) : undefined;
  return rest.length === 0 || rest[0] === "" ? openApi.v3Index() : openApi.v3(rest.join("/"));
}
