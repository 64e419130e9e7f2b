import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { EndpointToken } from "./endpoint-token.ts";
import { KubeletHttp } from "./kubelet-http.ts";
import { answer, type KubeletRequest } from "./kubelet-request.ts";
import { KUBELET_ROUTES, matchKubeletRoute } from "./kubelet-routes.ts";

async function startHttp() {
  await using scope = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "kedge-endpoint-"));
  scope.defer(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "token");
  const asked: KubeletRequest[] = [];
  const http = new KubeletHttp((request) => {
    asked.push(request);
    return Promise.resolve(answer(200, "let in"));
  }, EndpointToken.open(file));
  const server = createServer((request, response) => void http.serve(request, response));
  server.on("upgrade", (request, socket, head) => void http.serveUpgrade(request, socket, head));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.defer(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const owned = scope.move();
  return { file, port, asked, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const fill = (path: string) => path.replaceAll(/\{(\w+)\}/g, "x");

test("W-11: without the node's token nobody sees into pods, whatever the route", async () => {
  await using endpoint = await startHttp();
  const { port, asked, file } = endpoint;
  assert.equal(statSync(file).mode & 0o777, 0o600);
  for (const { path, methods, access } of KUBELET_ROUTES)
    for (const method of methods) {
      for (const authorization of ["", "Bearer ", "Bearer wrong", `Basic ${Buffer.from("a:b").toString("base64")}`]) {
        asked.length = 0;
        const url = `http://127.0.0.1:${port}${fill(path)}`;
        const response = await fetch(url, { method, headers: authorization === "" ? {} : { authorization } });
        await response.text();
        assert.equal(response.status, access === "open" ? 200 : 401, `${method} ${path} with ${authorization}`);
        assert.equal(asked.length, access === "open" ? 1 : 0);
      }
    }
});

test("W-11: an upgrade needs the token as well", async () => {
  await using endpoint = await startHttp();
  const socket = connect(endpoint.port, "127.0.0.1");
  socket.write(
    "POST /exec/default/web/app?command=sh HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n",
  );
  assert.match(await text(socket), /^HTTP\/1.1 401 Unauthorized\r\n/);
  assert.deepEqual(endpoint.asked, []);
});

test("W-11: what is open is what tells no secrets", () => {
  const open = KUBELET_ROUTES.filter(({ access }) => access === "open").map(({ path }) => path);
  assert.deepEqual(open.sort(), [
    "/healthz",
    "/healthz/log",
    "/healthz/ping",
    "/healthz/syncloop",
    "/livez",
    "/metrics",
    "/readyz",
    "/status",
  ]);
});

test("every route is in docs/SECURITY.md, with who may call it, and none that is not there", () => {
  const document = readFileSync(new URL("../../../../../docs/SECURITY.md", import.meta.url), "utf8");
  const table = /<!-- node routes -->(.*)<!-- \/node routes -->/s.exec(document)?.[1] ?? "";
  const listed = [...table.matchAll(/^\| 10350 \| (.*?) \| (.*?) \|/gm)].map(([, route, who]) => `${route}: ${who}`);
  const known = KUBELET_ROUTES.map(
    ({ methods, path, access }) => `${methods.join(", ")} ${path}: ${access === "open" ? "anyone" : "token"}`,
  );
  assert.deepEqual(listed.sort(), known.sort());
});

test("lets in who shows the token, also after a restart", async () => {
  await using endpoint = await startHttp();
  const { file, port, asked } = endpoint;
  const authorization = `Bearer ${readFileSync(file, "utf8").trim()}`;
  const response = await fetch(`http://127.0.0.1:${port}/pods?a=b`, { headers: { authorization } });
  assert.equal(await response.text(), "let in");
  assert.equal(asked[0]?.path, "/pods");
  assert.equal(asked[0]?.query.get("a"), "b");
  assert.ok(EndpointToken.open(file).allows(authorization));
  writeFileSync(file, "");
  assert.ok(!EndpointToken.open(file).allows(authorization), "an emptied file gets a new token");
});

for (const { method, path, found } of [
  { method: "GET", path: "/containerLogs/default/web/app", found: "logs" },
  { method: "POST", path: "/exec/default/web/uid-1/app", found: "exec" },
  { method: "GET", path: "/runningpods/", found: "runningPods" },
  { method: "POST", path: "/containerLogs/default/web/app", found: "wrongMethod" },
  { method: "GET", path: "/run/default/web/app", found: "wrongMethod" },
  { method: "GET", path: "/exec/default//app", found: "notFound" },
  { method: "GET", path: "/debug/pprof/heap", found: "notFound" },
  { method: "GET", path: "pods", found: "notFound" },
  { method: "GET", path: "", found: "notFound" },
])
  test(`${method} ${path} is ${found}`, () => {
    const match = matchKubeletRoute(method, path);
    assert.equal(typeof match === "string" ? match : match.route.name, found);
  });
