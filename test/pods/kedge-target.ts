import { type StartCloud } from "../e2e/test-cloud.ts";
import { TestBed } from "../e2e/test-bed.ts";
import { KUBELET_SETTINGS, type PodTarget } from "./pod-target.ts";

/** Kedge's cloudcore and agent, the agent with a containerd of its own. */
export async function startKedge(startCloud: StartCloud, nodeName: string): Promise<PodTarget> {
  const bed = await TestBed.start(startCloud, nodeName, { kubelet: KUBELET_SETTINGS });
  const { cloud, node } = bed;
  return {
    kind: "kedge",
    kube: cloud.kube,
    nodeName,
    containerd: node.containerd,
    cgroup: node.cgroup,
    podLogs: node.podLogs,
    manifests: node.manifests,
    rootDirectory: node.kubelet,
    async restartAgent() {
      await node.killAgent();
      await node.startAgent();
    },
    logTail: () => `cloud: ${cloud.logTail()}\nedge: ${node.logTail()}`,
    [Symbol.asyncDispose]: () => bed[Symbol.asyncDispose](),
  };
}
