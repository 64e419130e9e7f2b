import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@kedge/kube";
import { referencesOf } from "./pod-references.ts";

const container = (name: string) => ({
  name,
  env: [
    { name: "A", valueFrom: { configMapKeyRef: { name: `${name}-cm-env`, key: "k" } } },
    { name: "B", valueFrom: { secretKeyRef: { name: `${name}-secret-env`, key: "k" } } },
    { name: "C", value: "literal" },
    { name: "D", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
  ],
  envFrom: [{ configMapRef: { name: `${name}-cm-from` } }, { secretRef: { name: `${name}-secret-from` } }],
});

test("W33: finds all that a pod needs: every kind of container, projected volumes, pull secrets, drivers' secrets", () => {
  const pod: Pod = {
    spec: {
      containers: [container("main")],
      initContainers: [container("init")],
      ephemeralContainers: [container("debug")],
      imagePullSecrets: [{ name: "pull" }, {}],
      volumes: [
        { name: "1", configMap: { name: "cm-volume" } },
        { name: "2", secret: { secretName: "secret-volume" } },
        {
          name: "3",
          projected: {
            sources: [
              { configMap: { name: "cm-projected" } },
              { secret: { name: "secret-projected" } },
              { serviceAccountToken: { path: "t" } },
            ],
          },
        },
        { name: "4", csi: { driver: "d", nodePublishSecretRef: { name: "secret-csi" } } },
        { name: "5", persistentVolumeClaim: { claimName: "claim" } },
        { name: "6", emptyDir: {} },
        { name: "7", cephfs: { monitors: [], secretRef: { name: "secret-ceph" } } },
      ],
    },
  };
  const { configMaps, secrets, claims } = referencesOf(pod);
  const of = (kind: string) =>
    ["main", "init", "debug"].flatMap((name) => [`${name}-${kind}-env`, `${name}-${kind}-from`]);
  assert.deepEqual([...configMaps].toSorted(), [...of("cm"), "cm-projected", "cm-volume"].toSorted());
  assert.deepEqual(
    [...secrets].toSorted(),
    [...of("secret"), "pull", "secret-ceph", "secret-csi", "secret-projected", "secret-volume"].toSorted(),
  );
  assert.deepEqual([...claims], ["claim"]);
});

test("a pod without spec needs nothing", () => {
  const { configMaps, secrets, claims } = referencesOf({});
  assert.equal(configMaps.size + secrets.size + claims.size, 0);
});
