import assert from "node:assert/strict";
import { test } from "node:test";
import { container, pod } from "../pods/pod.test-data.ts";
import { containerAnnotations, containerLabels, sandboxAnnotations, sandboxLabels } from "./kubelet-labels.ts";

const labelled = pod(
  { terminationGracePeriodSeconds: 30 },
  { labels: { app: "web", "io.kubernetes.pod.uid": "forged" }, annotations: { note: "n" } },
);

test("MUST-MATCH: labels of a sandbox are the pod's and its identity, which nobody forges", () => {
  assert.deepEqual(sandboxLabels(labelled), {
    app: "web",
    "io.kubernetes.pod.name": "p",
    "io.kubernetes.pod.namespace": "default",
    "io.kubernetes.pod.uid": "uid-1",
  });
  assert.deepEqual(sandboxAnnotations(labelled), { note: "n" });
});

test("MUST-MATCH: labels of a container are its identity alone", () => {
  assert.deepEqual(containerLabels(labelled, container("app")), {
    "io.kubernetes.container.name": "app",
    "io.kubernetes.pod.name": "p",
    "io.kubernetes.pod.namespace": "default",
    "io.kubernetes.pod.uid": "uid-1",
  });
});

test("MUST-MATCH: annotations of a container hold all that its end needs", () => {
  const preStop = { exec: { command: ["sync"] } };
  const ports = [{ containerPort: 80 }];
  const dying = pod(
    { terminationGracePeriodSeconds: 30 },
    { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 5 },
  );
  const subject = container("nginx", {
    image: "nginx:1.27",
    lifecycle: { preStop },
    ports,
    terminationMessagePath: "/m",
  });
  assert.deepEqual(containerAnnotations(dying, subject, 2), {
    "io.kubernetes.container.hash": "91edee8f",
    "io.kubernetes.container.restartCount": "2",
    "io.kubernetes.container.terminationMessagePath": "/m",
    "io.kubernetes.container.terminationMessagePolicy": "File",
    "io.kubernetes.container.preStopHandler": JSON.stringify(preStop),
    "io.kubernetes.container.ports": JSON.stringify(ports),
    "io.kubernetes.pod.terminationGracePeriod": "30",
    "io.kubernetes.pod.deletionGracePeriod": "5",
  });
});
