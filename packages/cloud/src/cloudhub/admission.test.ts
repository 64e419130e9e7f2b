import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkRequest } from "@kedge/transport";
import { admit } from "./admission.ts";

const subject = (CN: string, O: string | string[] = "system:nodes") =>
  ({ subject: { CN, O } }) as unknown as LinkRequest["certificate"];
const request = (
  changes: { headers?: Record<string, string>; certificate?: LinkRequest["certificate"] } = {},
): LinkRequest => ({
  path: "/",
  remoteAddress: "192.0.2.1",
  headers: { node_id: "edge-1", connectionuse: "msg", ...changes.headers },
  certificate: changes.certificate ?? subject("system:node:edge-1"),
});
const room = { connected: 1, connectedMax: 2, isConnected: () => false, whyLockedOut: () => undefined };

test("a node with its own certificate comes in", () => assert.deepEqual(admit(request(), room), { node: "edge-1" }));

const refused = [
  {
    name: "W2: another node's certificate",
    request: request({ certificate: subject("system:node:edge-2") }),
    status: 403,
  },
  {
    name: "a certificate that is no node's",
    request: request({ certificate: subject("system:node:edge-1", "other") }),
    status: 403,
  },
  {
    name: "CloudCore's own certificate",
    request: request({ certificate: subject("KubeEdge", "KubeEdge") }),
    status: 403,
  },
  { name: "no node name", request: request({ headers: { node_id: "" } }), status: 400 },
  { name: "a node name that is none", request: request({ headers: { node_id: "../edge" } }), status: 400 },
  { name: "another use than messages", request: request({ headers: { connectionuse: "str" } }), status: 400 },
];
test("a stock edge that dials for the third time, with its header ConnectionUse thrice, is let in", () => {
  assert.equal(admit(request({ headers: { connectionuse: "msg, msg, msg" } }), room).refusal, undefined);
});

for (const { name, request: refusable, status } of refused)
  test(`${name} is refused`, () => assert.equal(admit(refusable, room).refusal?.httpStatus, status));

test("W3: the node limit refuses, and says when to come again; a node that returns finds its place", () => {
  const full = { ...room, connected: 2 };
  const { refusal } = admit(request(), full);
  assert.equal(refusal?.httpStatus, 503);
  assert.ok((refusal.retryAfterSeconds ?? 0) > 0);
  assert.equal(admit(request(), { ...full, isConnected: () => true }).refusal, undefined);
});

test("a node that an administrator keeps out is told so, and it is known whose certificate that was", () => {
  const admission = admit(request(), { ...room, whyLockedOut: (node) => `${node} is locked out` });
  assert.equal(admission.refusal?.httpStatus, 403);
  assert.equal(admission.refusal.reason, "edge-1 is locked out");
  assert.equal(admission.node, "edge-1");
});
