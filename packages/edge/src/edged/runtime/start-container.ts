import { join } from "node:path";
import type { PodSandboxConfig } from "@kedge/cri";
import type { Container, EphemeralContainer, Pod } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { ContainerStartError } from "../edged-error.ts";
import type { EdgedParts } from "../edged-parts.ts";
import { ContainerConfigError } from "../env/container-config-error.ts";
import { runHook } from "../hooks/run-hook.ts";
import { containerConfig } from "./container-config.ts";
import {
  containerLogPath,
  identityOf,
  linkLog,
  logLinkPath,
  makeContainerLogDirectory,
  podLogDirectory,
  restartCountFromLogs,
} from "./container-logs.ts";
import { killContainer } from "./kill-pod.ts";
import { runtimeMessage } from "./runtime-message.ts";
import { newestContainer, type RuntimePod } from "./runtime-pod.ts";

export interface ReadySandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly podIPs: readonly string[];
}

/**
 * Brings one container to life: image, configuration, create, start.
 *
 * @param ending aborts when the pod shall end: a pull, which may take for ever, is given up then.
 * @returns the container's id.
 * @throws ContainerStartError or ContainerConfigError whose code is the reason that the pod's status shows.
 */
export async function startContainer(
  pod: Pod,
  container: Container,
  sandbox: ReadySandbox,
  runtime: RuntimePod,
  parts: EdgedParts,
  ending: AbortSignal,
  signal: AbortSignal,
): Promise<string> {
  const { cri, events, config } = parts;
  const identity = identityOf(pod);
  const logs = podLogDirectory(config.podLogsDirectory, identity);
  const fail = (code: "CreateContainerError" | "RunContainerError", error: unknown): ContainerStartError => {
    signal.throwIfAborted();
    const message = runtimeMessage(error);
    events.warn(pod, "Failed", `Error: ${message}`, container.name);
    return new ContainerStartError(message, { code }, { cause: error });
  };

  const giveUp = AbortSignal.any([ending, signal]);
  const image = await parts.images.ensure(pod, container, sandbox.config, giveUp).catch((error: unknown) => {
    giveUp.throwIfAborted();
    if (error instanceof ContainerStartError) events.warn(pod, "Failed", `Error: ${error.code}`, container.name);
    throw error;
  });
  const record = newestContainer(runtime, container.name);
  const restartCount =
    record === undefined ? await restartCountFromLogs(logs, container.name) : record.restartCount + 1;
  const request = await (async () => {
    const facts = { image, restartCount, podIPs: sandbox.podIPs, targetId: targetOf(container, runtime) };
    return containerConfig(pod, container, facts, parts, signal);
  })().catch((error: unknown) => {
    events.warn(pod, "Failed", `Error: ${toError(error).message}`, container.name);
    throw error;
  });
  let id: string;
  try {
    await makeContainerLogDirectory(logs, container.name);
    id = await cri.runtime.createContainer(sandbox.id, request, sandbox.config, signal);
  } catch (error) {
    throw fail("CreateContainerError", error);
  }
  events.normal(pod, "Created", "Container created", container.name);
  try {
    await cri.runtime.startContainer(id, signal);
  } catch (error) {
    throw fail("RunContainerError", error);
  }
  events.normal(pod, "Started", "Container started", container.name);
  const link = logLinkPath(config.containerLogsDirectory, identity, container.name, id);
  await linkLog(link, join(logs, containerLogPath(container.name, restartCount))).catch((error: unknown) =>
    parts.logger.warn({ link, error: toError(error) }, "log link not made"),
  );
  await runPostStart(pod, container, id, sandbox.podIPs[0], parts, AbortSignal.any([ending, signal]));
  return id;
}

/** A container whose hook fails is ended again. @throws ContainerStartError, or the signal's reason: then it runs on. */
async function runPostStart(
  pod: Pod,
  container: Container | EphemeralContainer,
  containerId: string,
  podIP: string | undefined,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<void> {
  const hook = container.lifecycle?.postStart;
  if (hook === undefined) return;
  const { name } = container;
  try {
    await runHook(hook, { pod, container, containerId, podIP }, parts, signal);
  } catch (error) {
    signal.throwIfAborted();
    // What it said may be secret: users who may read events need not be those who may read the pod.
    parts.events.warn(pod, "FailedPostStartHook", "PostStartHook failed", name);
    const end = { message: "FailedPostStartHook", podIP };
    const record = { id: containerId, name, state: "running" as const };
    await killContainer(pod, record, end, parts, signal).catch((problem: unknown) => {
      signal.throwIfAborted();
      parts.logger.warn({ container: name, error: toError(problem) }, "container not ended after its hook failed");
    });
    throw new ContainerStartError(toError(error).message, { code: "PostStartHookError" }, { cause: error });
  }
}

/** Of a container that looks at another one: which. @throws ContainerConfigError when there is no such one. */
function targetOf(container: Container | EphemeralContainer, runtime: RuntimePod): string | undefined {
  const name = "targetContainerName" in container ? container.targetContainerName : undefined;
  if (name === undefined || name === "") return undefined;
  const target = newestContainer(runtime, name);
  if (target === undefined) throw new ContainerConfigError(`unable to find target container ${name}`);
  return target.id;
}
