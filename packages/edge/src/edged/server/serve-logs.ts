import { type Container, ContainerState, type RuntimeService } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { readLogOptions } from "../logs/log-options.ts";
import { parsePlace } from "../logs/log-place.ts";
import { LogReader } from "../logs/log-reader.ts";
import { checkContainerName, containersOf, statusOf } from "./find-container.ts";
import { KubeletError } from "./kubelet-error.ts";
import type { KubeletAnswer, KubeletRequest } from "./kubelet-request.ts";
import type { RunningContainers } from "./running-containers.ts";

export interface LogDeps {
  readonly runtime: RuntimeService;
  readonly running: RunningContainers;
  readonly nowMs: () => number;
}

/** `/containerLogs/{namespace}/{pod}/{container}` @throws {KubeletError} */
export async function serveLogs(
  { query, resume, signal }: KubeletRequest,
  pod: Pod,
  name: string,
  { runtime, running, nowMs }: LogDeps,
): Promise<KubeletAnswer> {
  const options = readLogOptions(query, nowMs());
  checkContainerName(pod, name);
  const containers = await containersOf(runtime, pod, name, signal);
  const place = resume === undefined ? undefined : parsePlace(resume.mark);
  const container =
    place === undefined
      ? chooseContainer(containers, pod, name, options.previous)
      : containers.find(({ id }) => id === place.containerId);
  if (container === undefined)
    throw KubeletError.logGone(`the container whose log was read is gone from the node, and its log with it`);
  const status = await runtime.containerStatus(container.id, signal);
  if (status === undefined) throw KubeletError.notFound(`container ${JSON.stringify(name)} has just been removed`);
  const log = {
    containerId: container.id,
    path: status.logPath,
    isRunning: (asked: AbortSignal) => running.has(container.id, asked),
  };
  const reader = await LogReader.start(log, options, resume, signal);
  return {
    status: 200,
    headers: { "content-type": "text/plain" },
    body: reader.read(),
    place: () => reader.place(),
  };
}

/** @throws {KubeletError} `BadRequest`: there is none, and why. */
function chooseContainer(containers: readonly Container[], pod: Pod, name: string, previous: boolean): Container {
  const [newest, ...older] = containers;
  if (previous) {
    // What has ended and is not started anew yet is the one before.
    const state = statusOf(pod.status, name)?.state;
    const last = newest?.state === ContainerState.CONTAINER_EXITED && state?.waiting ? newest : older[0];
    if (last !== undefined) return last;
    const which = `container ${JSON.stringify(name)} in pod ${JSON.stringify(pod.metadata?.name)}`;
    throw KubeletError.badRequest(`previous terminated ${which} not found`);
  }
  if (newest !== undefined && newest.state !== ContainerState.CONTAINER_CREATED) return newest;
  const [lastRun] = older;
  if (lastRun !== undefined) return lastRun;
  const waiting = statusOf(pod.status, name)?.state?.waiting;
  const which = `container ${JSON.stringify(name)} in pod ${JSON.stringify(pod.metadata?.name)}`;
  const isPull = waiting?.reason === "ErrImagePull" || waiting?.reason === "ImagePullBackOff";
  throw KubeletError.badRequest(
    waiting === undefined
      ? `${which} is not available`
      : `${which} is waiting to start: ${isPull ? "trying and failing to pull image" : waiting.reason}`,
  );
}
