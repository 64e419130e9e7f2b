import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseRequestInfo } from "./request-info.ts";

const parse = (method: string, path: string, query = "") => {
  const info = parseRequestInfo(method, path, new URLSearchParams(query));
  if (info === undefined) return undefined;
  const { verb, group, version, namespace, resource, name, subresource } = info;
  return [verb, group, version, namespace, resource, name, subresource].join("|");
};

const cases = [
  { call: ["GET", "/api/v1/pods"], is: "list||v1||pods||" },
  { call: ["GET", "/api/v1/namespaces/default/pods"], is: "list||v1|default|pods||" },
  { call: ["GET", "/api/v1/namespaces/default/pods/p"], is: "get||v1|default|pods|p|" },
  { call: ["GET", "/api/v1/namespaces/default/pods/p/log"], is: "get||v1|default|pods|p|log" },
  { call: ["PUT", "/api/v1/namespaces/default/pods/p/status"], is: "update||v1|default|pods|p|status" },
  { call: ["GET", "/api/v1/namespaces/default"], is: "get||v1||namespaces|default|" },
  { call: ["PUT", "/api/v1/namespaces/default/finalize"], is: "update||v1||namespaces|default|finalize" },
  { call: ["PATCH", "/api/v1/namespaces/default/status"], is: "patch||v1||namespaces|default|status" },
  { call: ["POST", "/apis/apps/v1/namespaces/default/deployments"], is: "create|apps|v1|default|deployments||" },
  {
    call: ["DELETE", "/apis/apps/v1/namespaces/default/deployments"],
    is: "deletecollection|apps|v1|default|deployments||",
  },
  { call: ["DELETE", "/apis/apps/v1/namespaces/d/deployments/x"], is: "delete|apps|v1|d|deployments|x|" },
  { call: ["GET", "/api/v1/pods/", ""], is: "list||v1||pods||" },
  { call: ["GET", "/api/v1/pods", "watch=1"], is: "watch||v1||pods||" },
  { call: ["GET", "/api/v1/pods", "watch"], is: "watch||v1||pods||" },
  { call: ["GET", "/api/v1/pods", "watch=false"], is: "list||v1||pods||" },
  {
    call: ["GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode"],
    is: "get|rbac.authorization.k8s.io|v1||clusterroles|system:node|",
  },
  { call: ["GET", "/api/v1/namespaces/default/pods/a%2Fb"], is: undefined },
  { call: ["GET", "/api/v1/namespaces/default/pods/.."], is: undefined },
  { call: ["GET", "/api/v1//pods"], is: undefined },
  { call: ["GET", "/api/v1"], is: undefined },
  { call: ["TRACE", "/api/v1/pods"], is: undefined },
  { call: ["GET", "/nope"], is: undefined },
] as const;
for (const { call, is } of cases)
  test(`${call.join(" ")} → ${is ?? "no resource"}`, () =>
    assert.equal(parse(...(call as unknown as [string, string])), is));

test("no part of what is read climbs or holds a separator, whatever the path", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom("..", "%2e%2e", "%2f", "a", "")), { maxLength: 8 }),
      (segments) => {
        let info;
        try {
          info = parseRequestInfo("GET", `/api/v1/${segments.join("/")}`, new URLSearchParams());
        } catch (error) {
          assert.equal((error as { code?: string }).code, "BadRequest");
          return;
        }
        for (const part of [info?.namespace, info?.name, info?.resource]) assert.doesNotMatch(part ?? "", /\/|^\.\.?$/);
      },
    ),
  );
});
