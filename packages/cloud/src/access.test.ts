import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Message } from "@kedge/protocol";
import { ROUTES } from "./cloudhub/https-routes.ts";
import { KUBELET_ROUTES } from "./cloudstream/kubelet-routes.ts";
import { routeUpstream } from "./cloudhub/upstream-router.ts";
import { UPSTREAM_HANDLERS } from "./edgecontroller/upstream.ts";

const packages = join(import.meta.dirname, "../..");
const document = readFileSync(join(packages, "../docs/SECURITY.md"), "utf8");

/** The rows of one of the document's tables, without its heading. */
function rows(name: string): string[][] {
  const text = document.slice(document.indexOf(`<!-- ${name} -->`), document.indexOf(`<!-- /${name} -->`));
  const lines = text.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const routes = rows("routes");
const listed = (port: string) => routes.filter(([of]) => of === port).map(([, route, who]) => `${route}: ${who}`);

test("every route of port 10002 is in the table, with who may call it, and none that is not there", () => {
  assert.deepEqual(
    listed("10002").toSorted(),
    ROUTES.map(({ method, path, access }) => `${method} ${path}: ${access}`).toSorted(),
  );
});

test("every route of nodes' kubelet endpoints is in the table, with what a caller needs, and none that is not there", () => {
  const rights = (subresources: readonly string[]) => subresources.map((one) => `nodes/${one}`).join(" or ");
  assert.deepEqual(
    listed("10003").toSorted(),
    KUBELET_ROUTES.map(
      ({ methods, path, subresources }) => `${methods.join(", ")} ${path}: ${rights(subresources)}`,
    ).toSorted(),
  );
});

test("a node alone opens its tunnel", () =>
  assert.deepEqual(listed("10004"), ["GET /v1/kubeedge/connect (upgrade to WebSocket): node"]));

test("every path of the monitor's port is in the table", () => {
  const source = readFileSync(join(import.meta.dirname, "monitor-server.ts"), "utf8");
  const paths = [...source.matchAll(/path === "([^"]+)"/g)].map(([, path]) => `GET ${path}: anyone`);
  assert.ok(paths.length > 0);
  assert.deepEqual(listed("9091").toSorted(), paths.toSorted());
});

test("only nodes connect to port 10000", () =>
  assert.deepEqual(listed("10000"), ["GET (upgrade to WebSocket, any path): node"]));

test("whatever listens on a port is known here: a new server needs its rows in the table", () => {
  const files = globSync(["cloud/src/**/*.ts", "transport/src/**/*.ts"], { cwd: packages });
  const servers = files.filter(
    (file) =>
      !/\.test(-data)?\.ts$/.test(file) &&
      /\b(createServer|createSecureServer|createSocket|WebSocketServer\.start)\(/.test(
        readFileSync(join(packages, file), "utf8"),
      ),
  );
  assert.deepEqual(servers.toSorted(), [
    "cloud/src/cloudhub/cloudhub.ts", // 10000
    "cloud/src/cloudhub/https-server.ts", // 10002
    "cloud/src/cloudstream/kubelet-server.ts", // 10003
    "cloud/src/cloudstream/node-ports.ts", // one for each node, each the same as 10003
    "cloud/src/csidriver/volume-socket.ts", // a file that only root can open
    "cloud/src/monitor-server.ts", // 9091
    "transport/src/websocket-server.ts", // behind CloudHub's, and behind 10004
  ]);
});

test("every message that a node may send is in the table, with what it may do", () => {
  const messages = rows("messages").map(([message = "", may = ""]) => `${message}: ${may}`);
  const answeredHere = [...UPSTREAM_HANDLERS].map(([message, { may }]) => `${message}: ${may}`);
  assert.deepEqual(messages.slice(0, answeredHere.length).toSorted(), answeredHere.toSorted());
  const elsewhere = messages.slice(answeredHere.length).map((row) => row.split(":")[0]);
  assert.deepEqual(elsewhere, ["kubernetesCa", "device", "digest", "session"]);
});

test("a message without a place is nobody's, and the cloud's own sources are nobody's", () => {
  const to = (route: Message["route"]) =>
    routeUpstream({ header: { msg_id: "x", timestamp: 1 }, route, content: "" }).to;
  assert.equal(to({ source: "", operation: "", resource: "" }), "nobody");
  for (const source of ["cloudhub", "edgecontroller", "devicecontroller", "synccontroller"])
    assert.equal(to({ source, operation: "delete", resource: "default/pod/x" }), "nobody");
});
