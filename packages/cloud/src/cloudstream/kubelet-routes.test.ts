import assert from "node:assert/strict";
import { test } from "node:test";
import { findKubeletRoute } from "./kubelet-routes.ts";

const found: readonly (readonly [method: string, path: string, route: string, parameters: object])[] = [
  [
    "GET",
    "/containerLogs/default/web/main",
    "/containerLogs/{namespace}/{pod}/{container}",
    { namespace: "default", pod: "web", container: "main" },
  ],
  [
    "POST",
    "/exec/default/web/main",
    "/exec/{namespace}/{pod}/{container}",
    { namespace: "default", pod: "web", container: "main" },
  ],
  [
    "GET",
    "/exec/default/web/uid-1/main",
    "/exec/{namespace}/{pod}/{uid}/{container}",
    { namespace: "default", pod: "web", uid: "uid-1", container: "main" },
  ],
  ["POST", "/portForward/default/web", "/portForward/{namespace}/{pod}", { namespace: "default", pod: "web" }],
  ["GET", "/stats/", "/stats", {}],
  ["GET", "/metrics/resource", "/metrics/resource", {}],
  ["GET", "/stats/a%3Ab/c", "/stats/{pod}/{container}", { pod: "a:b", container: "c" }],
];
for (const [method, path, route, parameters] of found)
  test(`${method} ${path} is ${route}`, () => {
    const match = findKubeletRoute(method, path);
    assert.equal(match?.route.path, route);
    assert.deepEqual({ ...match?.parameters }, parameters);
  });

for (const [method, path] of [
  ["POST", "/containerLogs/default/web/main"],
  ["DELETE", "/pods"],
  ["GET", "/run/default/web/main"],
  ["GET", "/containerLogs/default/web"],
  ["GET", "/containerLogs/default/../main"],
  ["GET", "/containerLogs/default/%2e%2e/main"],
  ["GET", "/containerLogs/default/a%2Fb/main"],
  ["GET", "/containerLogs/default//main"],
  ["GET", "/containerLogs/default/%zz/main"],
  ["GET", "/containerLogs/default/a%0d%0ab/main"],
  ["GET", `/containerLogs/default/${"x".repeat(254)}/main`],
  ["GET", "/logs/syslog"],
  ["GET", "/debug/pprof"],
  ["GET", "/"],
] as const)
  test(`${method} ${path.slice(0, 60)} is not found`, () => assert.equal(findKubeletRoute(method, path), undefined));
