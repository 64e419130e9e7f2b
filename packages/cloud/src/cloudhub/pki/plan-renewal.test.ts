import assert from "node:assert/strict";
import { generateKeyPairSync, sign, X509Certificate } from "node:crypto";
import { suite, test } from "node:test";
import type { Node } from "@kedge/kube";
import { CertificateAuthority } from "./certificate-authority.ts";
import { provesKey, RENEWAL_AFTER_EXPIRY_DAYS_MAX, whyNotRenewed } from "./plan-renewal.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const now = Date.parse("2026-11-20T10:00:00Z");
const ca = CertificateAuthority.create(now - 1_000 * DAY_MS);
const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const spki = publicKey.export({ type: "spki", format: "der" });

/** A certificate of 30 days that ended so long ago. */
function endedAgo(ms: number): { certificate: X509Certificate; issuedMs: number } {
  const issuedMs = now - ms - 30 * DAY_MS;
  return { certificate: new X509Certificate(ca.issueEdge("edge-1", { publicKey: spki }, 30, issuedMs)), issuedMs };
}
const createdAt = (ms: number): Node => ({
  metadata: { name: "edge-1", creationTimestamp: new Date(ms).toISOString() },
});

suite("W12: a certificate that is over, whose key is proven", () => {
  const cases: readonly {
    readonly name: string;
    readonly ago?: number;
    readonly node?: (issuedMs: number) => Node | undefined;
    readonly says?: RegExp;
  }[] = [
    { name: "is renewed a day later" },
    { name: "is renewed after the longest time", ago: RENEWAL_AFTER_EXPIRY_DAYS_MAX * DAY_MS },
    {
      name: "is not renewed after that",
      ago: RENEWAL_AFTER_EXPIRY_DAYS_MAX * DAY_MS + 1_000,
      says: /more than 365 days ago/,
    },
    { name: "is not renewed if its node is gone", node: () => undefined, says: /no such node any more/ },
    {
      name: "is not renewed while its node is being deleted",
      node: (at) => ({ metadata: { ...createdAt(at).metadata, deletionTimestamp: new Date(now).toISOString() } }),
      says: /no such node any more/,
    },
    { name: "is renewed for a node that was there before it", node: (at) => createdAt(at - 400 * DAY_MS) },
    { name: "is renewed for a node that registered half an hour later", node: (at) => createdAt(at + HOUR_MS / 2) },
    {
      name: "is not renewed for a node that was created anew",
      node: (at) => createdAt(at + 2 * HOUR_MS),
      says: /older than the node/,
    },
    {
      name: "is not renewed for a node of unknown age",
      node: () => ({ metadata: { name: "edge-1" } }),
      says: /older than the node/,
    },
  ];
  for (const { name, ago = DAY_MS, node = (at: number) => createdAt(at + 1_000), says } of cases)
    test(name, () => {
      const { certificate, issuedMs } = endedAgo(ago);
      const reason = whyNotRenewed("edge-1", certificate, node(issuedMs), now);
      if (says === undefined) assert.equal(reason, undefined);
      else assert.match(reason ?? "", says);
    });
});

test("W12: the proof is a signature with that very key over that very request", () => {
  const { certificate } = endedAgo(DAY_MS);
  const body = Buffer.from("the request");
  const proof = sign("sha256", body, privateKey);
  assert.equal(provesKey(certificate, body, proof), true);
  assert.equal(provesKey(certificate, Buffer.from("another request"), proof), false);
  const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey;
  assert.equal(provesKey(certificate, body, sign("sha256", body, other)), false);
  for (const bad of [Buffer.alloc(0), Buffer.alloc(72), Buffer.from("garbage"), proof.subarray(1)])
    assert.equal(provesKey(certificate, body, bad), false);
});
