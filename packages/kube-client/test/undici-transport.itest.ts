import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { CONFIG_MAPS } from "@kedge/kube";
import { connectKube, type CredentialSource, fixedCredential, type KubeConnection } from "@kedge/kube-client";
import { hasCode, systemClock } from "@kedge/runtime";
import { TestCa } from "@kedge/testing";

const signal = AbortSignal.timeout(30_000);
let ca: TestCa;
let server: Server;
let url: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;

before(async () => {
  ca = await TestCa.create("test-ca");
  const { certificate, key } = await ca.issueServer("kube", ["kube.test"], ["127.0.0.1"]);
  const tls = { cert: certificate, key, ca: ca.certificatePem, requestCert: true, rejectUnauthorized: false };
  server = createServer(tls, (request, response) => answer(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const connection = (parts: Partial<KubeConnection> = {}): KubeConnection => ({
  server: url,
  serverCa: ca.certificatePem,
  credentials: fixedCredential({}),
  ...parts,
});
const key = { namespace: "default", name: "x" };
const reply = (response: ServerResponse, status: number, body: object = {}) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

test("trusts only the authority that it was given", async () => {
  answer = (_, response) => reply(response, 200);
  const other = await TestCa.create("other-ca");
  await using stranger = connectKube(connection({ serverCa: other.certificatePem }));
  await assert.rejects(stranger.get(CONFIG_MAPS, key, signal), (error: unknown) => hasCode(error, "Unreachable"));
  await using nameless = connectKube(connection({ serverName: "not-in-the-certificate" }));
  await assert.rejects(nameless.get(CONFIG_MAPS, key, signal), /not-in-the-certificate/);
  await using known = connectKube(connection({ serverName: "kube.test" }));
  await known.get(CONFIG_MAPS, key, signal);
});

test("shows its client certificate, and takes a renewed one from then on", async () => {
  const users: string[] = [];
  answer = (request, response) => {
    users.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN?.toString() ?? "nobody");
    reply(response, 200);
  };
  const [first, second] = [await ca.issueClient("first", []), await ca.issueClient("second", [])];
  let present = first;
  const credentials: CredentialSource = {
    get: () => Promise.resolve({ clientCertificate: present.certificate, clientKey: present.key }),
    invalidate: () => undefined,
  };
  await using kube = connectKube(connection({ credentials }));
  await kube.get(CONFIG_MAPS, key, signal);
  present = second;
  await kube.get(CONFIG_MAPS, key, signal);
  assert.deepEqual(users, ["first", "second"]);
});

test("asks for a new token once when the present one is refused", async () => {
  const tokens = ["old", "new"];
  let held = tokens.shift();
  let refused = 0;
  const credentials: CredentialSource = {
    get: () => Promise.resolve({ bearerToken: held }),
    invalidate: () => (held = tokens.shift() ?? held),
  };
  answer = (request, response) => {
    if (request.headers.authorization === "Bearer new") reply(response, 200);
    else {
      refused += 1;
      reply(response, 401, { kind: "Status", status: "Failure", reason: "Unauthorized", code: 401 });
    }
  };
  await using kube = connectKube(connection({ credentials }));
  await kube.get(CONFIG_MAPS, key, signal);
  assert.equal(refused, 1);
  held = "worthless";
  await assert.rejects(kube.get(CONFIG_MAPS, key, signal), (error: unknown) => hasCode(error, "Unauthorized"));
  assert.equal(refused, 2);
});

test("does not wait for ever for an answer, nor for its end", async () => {
  await using kube = connectKube(connection(), { requestTimeoutMs: 200 });
  answer = () => undefined;
  await assert.rejects(kube.get(CONFIG_MAPS, key, signal), (error: unknown) => hasCode(error, "TimedOut"));
  answer = (_, response) => void response.writeHead(200).write("{");
  await assert.rejects(kube.get(CONFIG_MAPS, key, signal), (error: unknown) => hasCode(error, "TimedOut"));
  const reason = new Error("enough");
  await assert.rejects(kube.get(CONFIG_MAPS, key, AbortSignal.abort(reason)), reason);
});

test("explains answers that are not Kubernetes'", async () => {
  await using kube = connectKube(connection());
  answer = (_, response) => void response.writeHead(200).end("<html>");
  await assert.rejects(kube.get(CONFIG_MAPS, key, signal), (error: unknown) => hasCode(error, "BadResponse"));
  answer = (_, response) => void response.writeHead(503, { "retry-after": "7" }).end("a proxy's page");
  await assert.rejects(kube.get(CONFIG_MAPS, key, signal), (error: unknown) => {
    assert.ok(hasCode(error, "ServiceUnavailable"));
    const { status } = error.details as unknown as { status: { message: string; details: object } };
    assert.match(status.message, /a proxy's page/);
    assert.deepEqual(status.details, { retryAfterSeconds: 7 });
    return true;
  });
  answer = (request) => void request.socket.destroy();
  await assert.rejects(kube.get(CONFIG_MAPS, key, signal), (error: unknown) => hasCode(error, "Unreachable"));
});

test("asks behind the server's own path, with names escaped", async () => {
  const paths: string[] = [];
  answer = (request, response) => {
    paths.push(`${request.method} ${request.url}`);
    reply(response, 200);
  };
  await using kube = connectKube(connection({ server: `${url}/clusters/c-1/` }));
  await kube.get(CONFIG_MAPS, { namespace: "a/b", name: "../x" }, signal);
  await kube.list(CONFIG_MAPS, { labelSelector: "a=b,c" }, signal);
  await assert.rejects(kube.get(CONFIG_MAPS, { name: "x" }, signal), /a namespace is needed/);
  for (const name of ["", ".", ".."])
    await assert.rejects(kube.delete(CONFIG_MAPS, { namespace: "n", name }, signal), /is no name/);
  assert.deepEqual(paths, [
    "GET /clusters/c-1/api/v1/namespaces/a%2Fb/configmaps/..%2Fx",
    "GET /clusters/c-1/api/v1/configmaps?labelSelector=a%3Db%2Cc",
  ]);
});

test("waits when a busy server asks for it, but not for ever", async () => {
  const waits: number[] = [];
  const clock = { ...systemClock, sleep: (ms: number) => Promise.resolve(void waits.push(ms)) };
  await using kube = connectKube(connection(), { clock });
  let calls = 0;
  answer = (_, response) => {
    calls += 1;
    if (calls === 3) return reply(response, 200);
    response.setHeader("retry-after", calls === 1 ? "1" : "3600");
    return reply(response, 429, { kind: "Status", status: "Failure", reason: "TooManyRequests", code: 429 });
  };
  await kube.get(CONFIG_MAPS, key, signal);
  assert.deepEqual(waits, [1_000, 5_000]);
  const evicting = () => kube.createSubresource(CONFIG_MAPS, key, "eviction", {}, signal);
  await assert.rejects(evicting(), (error: unknown) => hasCode(error, "TooManyRequests"));
  calls = 10;
  await assert.rejects(kube.get(CONFIG_MAPS, key, signal), (error: unknown) => hasCode(error, "TooManyRequests"));
  assert.equal(calls, 14);
});
