import { type ApiRequest, type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import type { ApiContext } from "../rest/api-context.ts";
import { parseAccept } from "../rest/negotiate.ts";
import { noSuchPath } from "../rest/status-error.ts";
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, byGroupVersion } from "./resource-list.ts";

/** `/api`, `/apis` and what is below them down to the resources: the newest form that the caller reads. */
export function answerDiscovery({ registry }: ApiContext, { path, headers }: ApiRequest): ApiResponse {
  const [root = "", group = "", version = ""] = path.split("/").slice(1);
  if (group === "") {
    const aggregated = aggregatedVersion(headers["accept"]);
    if (aggregated !== undefined) {
      const list = aggregatedDiscovery(registry.all(), root === "api" ? "api" : "apis", aggregated);
      const contentType = `application/json;g=apidiscovery.k8s.io;v=${aggregated};as=APIGroupDiscoveryList`;
      return jsonResponse(200, list, { "content-type": contentType, vary: "Accept" });
    }
    if (root === "apis") return jsonResponse(200, apiGroupList(registry.all()), { vary: "Accept" });
    return jsonResponse(200, {
      kind: "APIVersions",
      versions: ["v1"],
      serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: headers["host"] ?? "" }],
    });
  }
  const groups = byGroupVersion(registry.all());
  if (root === "api") return jsonResponse(200, apiResourceList(groups.get("")?.get(group) ?? [], group));
  const versions = groups.get(group);
  if (versions === undefined) throw noSuchPath();
  if (version === "") return jsonResponse(200, { kind: "APIGroup", apiVersion: "v1", ...apiGroup(group, versions) });
  const definitions = versions.get(version);
  if (definitions === undefined) throw noSuchPath();
  return jsonResponse(200, apiResourceList(definitions, `${group}/${version}`));
}

function aggregatedVersion(accept: string | undefined): "v2" | "v2beta1" | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== "application/json") continue;
    const { g, v, as } = parameters;
    if (as === undefined) return undefined;
    if (g === "apidiscovery.k8s.io" && as === "APIGroupDiscoveryList" && (v === "v2" || v === "v2beta1")) return v;
  }
  return undefined;
}
