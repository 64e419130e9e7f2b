import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import { mountsObject, podReferences } from "./pod-references.ts";

const pod: Pod = {
  spec: {
    containers: [{ name: "c", envFrom: [{ configMapRef: { name: "cm-from" } }, { secretRef: { name: "s-from" } }] }],
    initContainers: [
      {
        name: "i",
        env: [
          { name: "A", valueFrom: { secretKeyRef: { name: "s-init", key: "k" } } },
          { name: "B", value: "1" },
        ],
      },
    ],
    ephemeralContainers: [
      { name: "e", env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "cm-debug", key: "k" } } }] },
    ],
    imagePullSecrets: [{ name: "s-pull" }, {}],
    volumes: [
      { name: "a", configMap: { name: "cm-volume" } },
      { name: "b", secret: { secretName: "s-volume" } },
      {
        name: "c",
        projected: { sources: [{ configMap: { name: "cm-projected" } }, { secret: { name: "s-projected" } }] },
      },
      { name: "d", emptyDir: {} },
    ],
  },
};

test("finds every ConfigMap and Secret that a pod needs, wherever it is named", () => {
  const { configMaps, secrets } = podReferences(pod);
  assert.deepEqual([...configMaps].sort(), ["cm-debug", "cm-from", "cm-projected", "cm-volume"]);
  assert.deepEqual([...secrets].sort(), ["s-from", "s-init", "s-projected", "s-pull", "s-volume"]);
  assert.deepEqual(podReferences({}), { configMaps: new Set(), secrets: new Set() });
});

test("knows whose files come from an object", () => {
  assert.equal(mountsObject(pod, "configmap", "cm-projected"), true);
  assert.equal(mountsObject(pod, "secret", "s-volume"), true);
  assert.equal(mountsObject(pod, "configmap", "s-volume"), false);
  assert.equal(mountsObject(pod, "secret", "s-from"), false, "variables are fixed when the container starts");
});
