import { TestBed } from "../e2e/test-bed.ts";
import type { StartCloud, TestCloud } from "../e2e/test-cloud.ts";
import type { TestEdgeNode } from "../e2e/test-edge-node.ts";
import { KUBELET_SETTINGS, type PodTarget } from "./pod-target.ts";

/** Kedge's cloudcore and agent, the agent with a containerd of its own. */
export async function startKedge(startCloud: StartCloud, nodeName: string): Promise<PodTarget> {
  const bed = await TestBed.start(startCloud, nodeName, { kubelet: KUBELET_SETTINGS });
  return kedgeTarget(bed.cloud, bed.node, () => bed[Symbol.asyncDispose]());
}

export function kedgeTarget(cloud: TestCloud, node: TestEdgeNode, dispose: () => Promise<void>): PodTarget {
  return {
    kind: "kedge",
    kube: cloud.kube,
    nodeName: node.name,
    containerd: node.containerd,
    cgroup: node.cgroup,
    podLogs: node.podLogs,
    manifests: node.manifests,
    rootDirectory: node.kubelet,
    get agentPid() {
      return node.agentPid;
    },
    async restartAgent() {
      await node.killAgent();
      await node.startAgent();
    },
    logTail: () => `cloud: ${cloud.logTail()}\nedge: ${node.logTail()}`,
    [Symbol.asyncDispose]: dispose,
  };
}
