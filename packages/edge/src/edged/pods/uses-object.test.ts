import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodSpec } from "@kedge/kube";
import { container, pod } from "./pod.test-data.ts";
import { usesObject } from "./uses-object.ts";

const specs: { name: string; type: "configmap" | "secret"; spec: Partial<PodSpec> }[] = [
  { name: "volume", type: "configmap", spec: { volumes: [{ name: "v", configMap: { name: "x" } }] } },
  { name: "volume", type: "secret", spec: { volumes: [{ name: "v", secret: { secretName: "x" } }] } },
  {
    name: "projection",
    type: "secret",
    spec: { volumes: [{ name: "v", projected: { sources: [{ secret: { name: "x" } }] } }] },
  },
  {
    name: "projection",
    type: "configmap",
    spec: { volumes: [{ name: "v", projected: { sources: [{ configMap: { name: "x" } }] } }] },
  },
  {
    name: "envFrom",
    type: "configmap",
    spec: { containers: [container("a", { envFrom: [{ configMapRef: { name: "x" } }] })] },
  },
  {
    name: "env of an init container",
    type: "secret",
    spec: {
      initContainers: [container("i", { env: [{ name: "E", valueFrom: { secretKeyRef: { name: "x", key: "k" } } }] })],
    },
  },
  { name: "imagePullSecrets", type: "secret", spec: { imagePullSecrets: [{ name: "x" }] } },
];
for (const { name, type, spec } of specs)
  test(`finds a ${type} in ${name}`, () => {
    assert.equal(usesObject(pod(spec), type, "x"), true);
    assert.equal(usesObject(pod(spec), type, "y"), false);
    assert.equal(usesObject(pod(spec), type === "secret" ? "configmap" : "secret", "x"), false);
  });
