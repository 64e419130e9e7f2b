/** What a kubelet makes of Pods, and Kedge must make of them, too: see README.md. */
import { TestKubernetes } from "@kedge/testing";
import { startEmbeddedCloud, startKubernetesCloud } from "../e2e/test-cloud.ts";
import { TestEdgeNode } from "../e2e/test-edge-node.ts";
import { CORE_THEMES, THEMES } from "./cases/all.ts";
import { startKedge } from "./kedge-target.ts";
import { describeCases } from "./run-theme.ts";

describeCases(
  "pods on Kedge with real Kubernetes",
  THEMES,
  () => startKedge(startKubernetesCloud, "edge-pods"),
  TestEdgeNode.missing() || TestKubernetes.missing(),
);

describeCases(
  "pods on Kedge with the embedded control plane",
  CORE_THEMES,
  () => startKedge(startEmbeddedCloud, "edge-pods"),
  TestEdgeNode.missing(),
);
