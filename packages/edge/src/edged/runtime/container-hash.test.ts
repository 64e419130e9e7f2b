import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container } from "@kedge/kube";
import { containerHash } from "./container-hash.ts";

const vectors = [
  { name: "nginx", image: "nginx:1.27", hash: "91edee8f" },
  { name: "app", image: "registry.example.com/a/b@sha256:abcd", hash: "57e6df6a" },
  { name: "c", image: "x&y<z>", hash: "afea143e" },
];
test("MUST-MATCH: nothing but name and image changes a kubelet's hash", () => {
  const probe = { httpGet: { port: 80 }, periodSeconds: 1 };
  const full: Container = {
    name: "nginx",
    image: "nginx:1.27",
    command: ["sh"],
    livenessProbe: probe,
    readinessProbe: probe,
    startupProbe: probe,
    lifecycle: { preStop: { sleep: { seconds: 1 } }, stopSignal: "SIGUSR1" },
    restartPolicy: "OnFailure",
    restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }],
    resources: { limits: { cpu: "1" } },
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
  assert.equal(containerHash(full), "91edee8f");
});

for (const { name, image, hash } of vectors)
  test(`MUST-MATCH: a kubelet's hash of ${name} with image ${image}`, () =>
    assert.equal(containerHash({ name, image }), hash));
