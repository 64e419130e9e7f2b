import assert from "node:assert/strict";
import type { PeerCertificate } from "node:tls";
import { test } from "node:test";
import { admitTunnel } from "./admit-tunnel.ts";

const of = (CN: string, O = "system:nodes") => ({ subject: { CN, O } }) as unknown as PeerCertificate;
const ask = (node: string, certificate: PeerCertificate, path = "/v1/kubeedge/connect") =>
  admitTunnel(
    { path, headers: { sessionhostnameoverride: node, sessioninternalip: "192.0.2.7" }, certificate },
    (name) => (name === "edge-out" ? "locked out" : undefined),
  );

test("a node opens its own tunnel", () =>
  assert.deepEqual(ask("edge-1", of("system:node:edge-1")), { node: "edge-1" }));

for (const [name, admission, httpStatus] of [
  ["W7: another node's", ask("edge-2", of("system:node:edge-1")), 403],
  ["with a certificate that is no node's", ask("edge-1", of("system:node:edge-1", "system:masters")), 403],
  ["with a name that is none", ask("../edge", of("system:node:../edge")), 400],
  ["elsewhere", ask("edge-1", of("system:node:edge-1"), "/v1/other"), 404],
  ["locked out", ask("edge-out", of("system:node:edge-out")), 403],
] as const)
  test(`no tunnel is opened ${name}`, () => assert.equal(admission.refusal?.httpStatus, httpStatus));
