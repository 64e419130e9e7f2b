import { type Container, ContainerState, type RuntimeService } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { CONTAINER_NAME_LABEL, POD_UID_LABEL } from "../runtime/kubelet-labels.ts";
import { KubeletError } from "./kubelet-error.ts";

/** A pod by name; where a path names a uid, it must be that one's. @throws {KubeletError} `NotFound` */
export function findPod(pods: readonly Pod[], namespace: string, name: string, uid?: string): Pod {
  const pod = pods.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name);
  if (pod === undefined || (uid !== undefined && pod.metadata?.uid !== uid))
    throw KubeletError.notFound(`pod ${JSON.stringify(`${namespace}/${name}`)} is not on this node`);
  return pod;
}

/** @throws {KubeletError} `NotFound` */
export function checkContainerName({ metadata, spec, status }: Pod, name: string): void {
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  if (containers.some((container) => container.name === name)) return;
  // A debug container may be running before the spec that names it has been stored.
  if (status?.ephemeralContainerStatuses?.some((container) => container.name === name) === true) return;
  throw KubeletError.notFound(`container ${JSON.stringify(name)} not found in pod ${JSON.stringify(metadata?.name)}`);
}

/** Newest first. */
export async function containersOf(
  runtime: RuntimeService,
  pod: Pod,
  name: string,
  signal: AbortSignal,
): Promise<Container[]> {
  const labels = { [POD_UID_LABEL]: pod.metadata?.uid ?? "", [CONTAINER_NAME_LABEL]: name };
  const found = await runtime.listContainers(labels, signal);
  return found.sort((a, b) => Number(b.createdAt - a.createdAt));
}

/** @throws {KubeletError} `NotFound`: it is not there, or does not run. */
export async function findRunningContainer(
  runtime: RuntimeService,
  pod: Pod,
  name: string,
  signal: AbortSignal,
): Promise<Container> {
  checkContainerName(pod, name);
  const [newest] = await containersOf(runtime, pod, name, signal);
  if (newest?.state !== ContainerState.CONTAINER_RUNNING)
    throw KubeletError.notFound(`container ${JSON.stringify(name)} is not running${why(pod, name)}`);
  return newest;
}

function why({ status }: Pod, name: string): string {
  const { waiting, terminated } = statusOf(status, name)?.state ?? {};
  const reason = waiting?.reason ?? terminated?.reason;
  return reason === undefined ? "" : `: ${reason}`;
}

export function statusOf(status: Pod["status"], name: string) {
  const statuses = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
  return statuses.find((container) => container.name === name);
}
