import type { Container, Pod } from "@kedge/kube";
import type { ContainerKill } from "../pods/container-verdict.ts";
import { newestContainer, type RuntimeContainer, type RuntimePod } from "../runtime/runtime-pod.ts";
import { type Allocation, changedResources, resizableContainers } from "./pod-allocation.ts";

export interface ResizePlan {
  /** To be changed as they run. */
  readonly updates: readonly { readonly container: Container; readonly record: RuntimeContainer }[];
  /** To be started anew: they want to be, when this resource changes. */
  readonly restarts: readonly { readonly container: Container; readonly kill: ContainerKill }[];
}

/** @param pod with what it was given. @param actuated what its containers run with. */
export function planResize(pod: Pod, runtime: RuntimePod, actuated: Allocation): ResizePlan {
  const updates: ResizePlan["updates"][number][] = [];
  const restarts: ResizePlan["restarts"][number][] = [];
  for (const container of resizableContainers(pod)) {
    const record = newestContainer(runtime, container.name);
    if (record?.state !== "running") continue; // it starts with what it was given
    const changed = changedResources(actuated[container.name], container.resources);
    if (changed.length === 0) continue;
    const restart = container.resizePolicy?.some(
      ({ resourceName, restartPolicy }) =>
        restartPolicy === "RestartContainer" && changed.some((name) => name === resourceName),
    );
    if (restart === true)
      restarts.push({
        container,
        kill: { container: record, message: `Container ${container.name} resize requires restart` },
      });
    else updates.push({ container, record });
  }
  return { updates, restarts };
}
