import assert from "node:assert/strict";
import { createPublicKey, verify, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { certificatePem } from "./certificate-files.ts";
import { newCertificateRequest } from "./certificate-request.ts";
import { parseJoinToken } from "./join-token.ts";

const file = new URL("../../../../test/vectors/cloud-edge-frames.json", import.meta.url);
const { bootstrap } = JSON.parse(readFileSync(file, "utf8")) as { bootstrap: Record<string, string> };
const hex = (name: string) => Buffer.from(bootstrap[name] ?? "", "hex");

test("reads a recorded token", () => {
  const token = parseJoinToken(`${bootstrap["token"]}\n`);
  assert.equal(token.caHash, bootstrap["ca_hash_hex"]);
  assert.equal(`Bearer ${token.bearer}`, bootstrap["bearer_value"]);
  const { exp } = JSON.parse(JSON.stringify(bootstrap["token_jwt_claims"])) as { exp: number };
  assert.equal(token.expiresMs, exp * 1000);
});

test("asks for a certificate as KubeEdge's edges do, byte for byte up to key and signature", () => {
  const recorded = hex("edge_csr_der_hex");
  const { csr, privateKey } = newCertificateRequest("edge-1");
  // An EC point starts with 00 04 in its bit string and has 64 bytes; before it stand version, subject and algorithm.
  const keyAt = (der: Buffer) => der.indexOf(Buffer.from("03420004", "hex")) + 4;
  const body = (der: Buffer) => der.subarray(der.indexOf(Buffer.from("020100", "hex")), keyAt(der));
  assert.deepEqual(body(csr), body(recorded));
  const tail = (der: Buffer) => der.subarray(keyAt(der) + 64, keyAt(der) + 64 + 14); // attributes, signature algorithm
  assert.deepEqual(tail(csr), tail(recorded));
  // The signature is over what stands between the outer header and the signature algorithm.
  const infoAt = csr.indexOf(Buffer.from("020100", "hex"));
  const info = csr.subarray(infoAt - 3, keyAt(csr) + 64 + 2);
  const start = info[0] === 0x30 ? 0 : 1;
  const signature = csr.subarray(keyAt(csr) + 64 + 2 + 12 + 3);
  const key = { key: createPublicKey(privateKey), dsaEncoding: "der" as const };
  assert.equal(verify("sha256", info.subarray(start), key, signature), true);
});

test("a certificate that comes as DER is stored as the same PEM", () => {
  const pem = certificatePem(hex("edge_cert_der_hex"));
  assert.equal(pem.trim(), bootstrap["edge_cert_pem"]?.trim());
  assert.match(new X509Certificate(pem).subject, /^CN=system:node:edge-1$/m);
});
