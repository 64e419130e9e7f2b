import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { addressBytes } from "./certificate-builder.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import { createJoinToken, verifyBearer } from "./join-token.ts";
import { bearerOf } from "./json-web-token.ts";
import { derToPem, pemToDer } from "./pem.ts";
import { PkiError } from "./pki-error.ts";
import { readSigningRequest } from "./signing-request.ts";

interface Bootstrap {
  readonly ca_der_hex: string;
  readonly ca_key_sec1_der_hex: string;
  readonly ca_hash_hex: string;
  readonly token: string;
  readonly token_jwt_claims: { readonly exp: number };
  readonly token_default_refresh: string;
  readonly token_default_jwt_claims: { readonly exp: number };
  readonly bearer_value: string;
  readonly edge_csr_der_hex: string;
  readonly edge_cert_der_hex: string;
}
const vectors = new URL("../../../../../test/vectors/cloud-edge-frames.json", import.meta.url);
const { bootstrap } = JSON.parse(readFileSync(vectors, "utf8")) as { bootstrap: Bootstrap };
const hex = (text: string) => Buffer.from(text, "hex");
const stockCa = new CertificateAuthority(
  { certificate: hex(bootstrap.ca_der_hex), key: hex(bootstrap.ca_key_sec1_der_hex) },
  "the recorded CA",
);
const now = Date.parse("2026-11-20T06:13:05Z");
const DAY_MS = 86_400_000;

test("takes over a stock CA, and makes the very tokens that a stock cloud makes", () => {
  assert.equal(stockCa.hash, bootstrap.ca_hash_hex);
  assert.equal(createJoinToken(stockCa, bootstrap.token_jwt_claims.exp * 1000), bootstrap.token);
  const { exp } = bootstrap.token_default_jwt_claims;
  assert.equal(createJoinToken(stockCa, exp * 1000), bootstrap.token_default_refresh);
});

test("accepts a stock token, until it expires", () => {
  const jwt = bearerOf(bootstrap.token_default_refresh);
  verifyBearer(stockCa, bootstrap.bearer_value.slice("Bearer ".length), now);
  const expiresAt = bootstrap.token_default_jwt_claims.exp * 1000;
  verifyBearer(stockCa, jwt, expiresAt - 1);
  assert.throws(() => verifyBearer(stockCa, jwt, expiresAt), { code: "TokenExpired" });
});

test("accepts no token of another CA, without signature, or with an algorithm of the sender's choice", () => {
  const jwt = bearerOf(bootstrap.token);
  const [header = "", claims = "", signature = ""] = jwt.split(".");
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  assert.throws(() => verifyBearer(CertificateAuthority.create(now), jwt, now), { code: "TokenForged" });
  assert.throws(() => verifyBearer(stockCa, `${header}.${encode({ exp: 9e12 })}.${signature}`, now), {
    code: "TokenForged",
  });
  assert.throws(() => verifyBearer(stockCa, `${encode({ alg: "none" })}.${claims}.`, now), { code: "TokenMalformed" });
  assert.throws(() => verifyBearer(stockCa, `${encode({ alg: "HS512" })}.${claims}.${signature}`, now), {
    code: "TokenMalformed",
  });
  for (const bad of ["", "a", "a.b", "a.b.c", "a.b.c.d", "x".repeat(10_000)])
    assert.throws(() => verifyBearer(stockCa, bad, now), PkiError);
  assert.throws(() => bearerOf("a.b.c"), { code: "TokenMalformed" });
});

test("reads a stock edge's request and issues what a stock cloud issues", () => {
  const request = readSigningRequest(hex(bootstrap.edge_csr_der_hex));
  assert.equal(request.commonName, "system:node:edge-1");
  assert.deepEqual(request.organizations, ["system:nodes"]);
  const issued = new X509Certificate(stockCa.issueEdge("edge-1", request, 365, now));
  const recorded = new X509Certificate(hex(bootstrap.edge_cert_der_hex));
  assert.equal(issued.subject, recorded.subject);
  assert.equal(issued.issuer, recorded.issuer);
  assert.deepEqual(issued.keyUsage, recorded.keyUsage);
  assert.deepEqual(
    issued.publicKey.export({ type: "spki", format: "der" }),
    recorded.publicKey.export({ type: "spki", format: "der" }),
  );
  assert.equal(issued.ca, false);
  assert.ok(issued.verify(createPublicKey(stockCa.certificatePem)));
  assert.ok(stockCa.signed(recorded));
  assert.equal(issued.validToDate.getTime(), now + 365 * DAY_MS);
});

test("W1: the name, usages and alternative names are ours, whatever the request says", () => {
  const request = readSigningRequest(hex(bootstrap.edge_csr_der_hex));
  const issued = new X509Certificate(stockCa.issueEdge("edge-7", request, 1, now));
  assert.equal(issued.subject, "O=system:nodes\nCN=system:node:edge-7");
  assert.equal(issued.subjectAltName, undefined);
  assert.deepEqual(issued.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
});

test("a new CA looks like KubeEdge's", () => {
  const ca = CertificateAuthority.create(now);
  const [made, recorded] = [new X509Certificate(ca.pair.certificate), new X509Certificate(hex(bootstrap.ca_der_hex))];
  assert.equal(made.subject, recorded.subject);
  assert.equal(made.serialNumber, recorded.serialNumber);
  assert.equal(made.ca, true);
  assert.deepEqual(made.keyUsage, recorded.keyUsage);
  assert.equal(made.validToDate.getTime() - made.validFromDate.getTime(), 36_400 * DAY_MS);
  assert.ok(made.checkIssued(made) && made.verify(made.publicKey));
  assert.equal(createPrivateKey({ key: ca.pair.key, format: "der", type: "sec1" }).asymmetricKeyType, "ec");
});

test("a server certificate names exactly the given names and addresses", () => {
  const names = { dnsNames: ["cloud.example"], ipAddresses: ["127.0.0.1", "fd00::1"] };
  const { certificate, key } = CertificateAuthority.create(now).issueServer(names, now);
  const server = new X509Certificate(certificate);
  assert.equal(server.subjectAltName, "DNS:cloud.example, IP Address:127.0.0.1, IP Address:FD00:0:0:0:0:0:0:1");
  assert.deepEqual(server.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  assert.ok(server.checkPrivateKey(createPrivateKey({ key, format: "der", type: "sec1" })));
});

test("a request whose signature does not prove the key is refused", () => {
  const der = hex(bootstrap.edge_csr_der_hex);
  for (const at of [40, der.length - 10]) {
    const forged = Buffer.from(der);
    forged[at] = (forged[at] ?? 0) ^ 1;
    assert.throws(() => readSigningRequest(forged), { code: "InvalidRequest" });
  }
});

test("bytes of any kind are a request or an InvalidRequest, never a crash", () => {
  const der = hex(bootstrap.edge_csr_der_hex);
  const damaged = fc
    .tuple(fc.nat(der.length - 1), fc.uint8Array({ maxLength: 8 }))
    .map(([at, bytes]) => Buffer.concat([der.subarray(0, at), bytes, der.subarray(at + bytes.length)]));
  const cut = fc.nat(der.length).map((length) => der.subarray(0, length));
  const any = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(damaged, cut, any), (bytes) => {
      try {
        readSigningRequest(bytes);
      } catch (error) {
        assert.ok(error instanceof PkiError && error.code === "InvalidRequest", String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a pair whose halves do not belong together is refused, and so is a key that cannot sign", () => {
  const other = CertificateAuthority.create(now);
  assert.throws(() => new CertificateAuthority({ certificate: stockCa.pair.certificate, key: other.pair.key }, "x"), {
    code: "KeyMismatch",
  });
  assert.throws(
    () => new CertificateAuthority({ certificate: stockCa.pair.certificate, key: Buffer.from("no") }, "x"),
    {
      code: "InvalidKey",
    },
  );
});

test("PEM armour comes off as it went on", () => {
  const pem = derToPem("CERTIFICATE", stockCa.pair.certificate);
  assert.deepEqual(pemToDer(pem, /CERTIFICATE/), stockCa.pair.certificate);
  assert.equal(pemToDer("nothing", /CERTIFICATE/), undefined);
});

const addresses = [
  { text: "10.0.0.1", hex: "0a000001" },
  { text: "::1", hex: "00000000000000000000000000000001" },
  { text: "::", hex: "00000000000000000000000000000000" },
  { text: "fd00:1::2:3", hex: "fd000001000000000000000000020003" },
  { text: "::ffff:1.2.3.4", hex: "00000000000000000000ffff01020304" },
  { text: "1:2:3:4:5:6:7:8", hex: "00010002000300040005000600070008" },
];
for (const { text, hex: expected } of addresses)
  test(`writes the address ${text} as bytes`, () => assert.equal(addressBytes(text).toString("hex"), expected));
