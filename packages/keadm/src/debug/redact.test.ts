import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "@kedge/kube";
import { redactText, REDACTED, withoutSecrets } from "./redact.ts";

const secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: "s",
    annotations: { "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"key":"c2VjcmV0"}}', other: "kept" },
  },
  type: "Opaque",
  data: { key: "c2VjcmV0" },
} as KubeObject;

test("of a Secret the keys are shown, and neither the values nor their copy in the annotation", () => {
  const text = JSON.stringify(withoutSecrets(secret));
  assert.ok(!text.includes("c2VjcmV0"));
  assert.match(text, /"key":"\(redacted\)"/);
  assert.match(text, /"other":"kept"/);
});

test("a Secret that was stored without its kind is one all the same; other objects stay", () => {
  const { kind: _, ...bare } = secret;
  assert.ok(!JSON.stringify(withoutSecrets(bare)).includes("c2VjcmV0"));
  const map = { kind: "ConfigMap", data: { key: "value" } } as KubeObject;
  assert.deepEqual(withoutSecrets(map), map);
});

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2lnbmF0dXJlLWlzLWhlcmU";
const cases: readonly { name: string; text: string; leaves: string }[] = [
  { name: "a join token", text: `token ${"a".repeat(64)}.${jwt}!`, leaves: `token ${REDACTED}!` },
  { name: "a JSON Web Token", text: `Bearer ${jwt}`, leaves: `Bearer ${REDACTED}` },
  {
    name: "a private key",
    text: "x\n-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\ny",
    leaves: `x\n${REDACTED}\ny`,
  },
  { name: "a password in YAML", text: "  mqttPassword: open sesame", leaves: `  mqttPassword: "${REDACTED}"` },
  { name: "a password in JSON", text: '  "password": "x",', leaves: `  "password": "${REDACTED}",` },
  { name: "no password", text: '  mqttPassword: ""\n  token: ""', leaves: '  mqttPassword: ""\n  token: ""' },
  { name: "all else", text: "server: 192.0.2.1:10000", leaves: "server: 192.0.2.1:10000" },
];
for (const { name, text, leaves } of cases) test(`of a text: ${name}`, () => assert.equal(redactText(text), leaves));
