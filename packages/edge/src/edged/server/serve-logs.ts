import { access } from "node:fs/promises";
import { join } from "node:path";
import { type Container, ContainerState, type RuntimeService } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { readLogOptions } from "../logs/log-options.ts";
import { parsePlace } from "../logs/log-place.ts";
import { LogReader } from "../logs/log-reader.ts";
import { containerLogPath, identityOf, podLogDirectory } from "../runtime/container-logs.ts";
import { checkContainerName, containersOf, statusOf } from "./find-container.ts";
import { KubeletError } from "./kubelet-error.ts";
import type { KubeletAnswer, KubeletRequest } from "./kubelet-request.ts";
import type { RunningContainers } from "./running-containers.ts";

export interface LogDeps {
  readonly runtime: RuntimeService;
  readonly running: RunningContainers;
  readonly nowMs: () => number;
  readonly podLogsDirectory: string;
}

/** `/containerLogs/{namespace}/{pod}/{container}` @throws {KubeletError} */
export async function serveLogs(
  { query, resume, signal }: KubeletRequest,
  pod: Pod,
  name: string,
  deps: LogDeps,
): Promise<KubeletAnswer> {
  const options = readLogOptions(query, deps.nowMs());
  checkContainerName(pod, name);
  const place = resume === undefined ? undefined : parsePlace(resume.mark);
  const { id, path } =
    (await runningLog(pod, name, options.previous, place?.containerId, deps)) ??
    (await askedLog(pod, name, options.previous, place?.containerId, deps, signal));
  const isRunning = (asked: AbortSignal) => deps.running.has(id, asked);
  const reader = await LogReader.start({ containerId: id, path, isRunning }, options, resume, signal);
  return {
    status: 200,
    headers: { "content-type": "text/plain" },
    body: reader.read(),
    place: () => reader.place(),
  };
}

interface FoundLog {
  readonly id: string;
  readonly path: string;
}

/** Most ask for what runs now, and that we know ourselves: a hundred readers at once need not ask the runtime 200 times. */
async function runningLog(
  pod: Pod,
  name: string,
  previous: boolean,
  wanted: string | undefined,
  { podLogsDirectory }: LogDeps,
): Promise<FoundLog | undefined> {
  const status = statusOf(pod.status, name);
  const id = status?.state?.running === undefined ? undefined : status.containerID?.replace(/^\w+:\/\//, "");
  if (previous || id === undefined || (wanted !== undefined && wanted !== id)) return undefined;
  const path = join(
    podLogDirectory(podLogsDirectory, identityOf(pod)),
    containerLogPath(name, status?.restartCount ?? 0),
  );
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  return isThere ? { id, path } : undefined;
}

/** @throws {KubeletError} `LogGone`, `NotFound`, `BadRequest` */
async function askedLog(
  pod: Pod,
  name: string,
  previous: boolean,
  wanted: string | undefined,
  { runtime }: LogDeps,
  signal: AbortSignal,
): Promise<FoundLog> {
  const containers = await containersOf(runtime, pod, name, signal);
  const container =
    wanted === undefined
      ? chooseContainer(containers, pod, name, previous)
      : containers.find(({ id }) => id === wanted);
  if (container === undefined)
    throw KubeletError.logGone("the container whose log was read is gone from the node, and its log with it");
  const status = await runtime.containerStatus(container.id, signal);
  if (status === undefined) throw KubeletError.notFound(`container ${JSON.stringify(name)} has just been removed`);
  return { id: container.id, path: status.logPath };
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
