import { ContainerState, PodSandboxState, type RuntimeService } from "@kedge/cri";
import { CONTAINER_NAME_LABEL, POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL } from "../runtime/kubelet-labels.ts";

/** What runs, as the runtime has it: pods with names and images alone. */
export async function runningPods(runtime: RuntimeService, signal: AbortSignal): Promise<object> {
  const [sandboxes, containers] = await Promise.all([
    runtime.listPodSandboxes({}, signal),
    runtime.listContainers({}, signal),
  ]);
  const items = sandboxes
    .filter(({ state, labels }) => state === PodSandboxState.SANDBOX_READY && labels[POD_UID_LABEL] !== undefined)
    .map(({ id, labels }) => ({
      metadata: { name: labels[POD_NAME_LABEL], namespace: labels[POD_NAMESPACE_LABEL], uid: labels[POD_UID_LABEL] },
      spec: {
        containers: containers
          .filter(({ podSandboxId, state }) => podSandboxId === id && state === ContainerState.CONTAINER_RUNNING)
          .map(({ labels: own, image }) => ({ name: own[CONTAINER_NAME_LABEL] ?? "", image: image?.image ?? "" })),
      },
      status: {},
    }));
  return { kind: "PodList", apiVersion: "v1", metadata: {}, items };
}
