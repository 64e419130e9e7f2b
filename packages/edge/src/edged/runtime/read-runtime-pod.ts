import {
  type Container,
  ContainerState,
  type ContainerStatus,
  NamespaceMode,
  PodSandboxState,
  type PodSandboxStatus,
  type RuntimeService,
} from "@kedge/cri";
import type { ContainerPort, LifecycleHandler } from "@kedge/kube";
import {
  CONTAINER_NAME_LABEL,
  DELETION_GRACE_ANNOTATION,
  GRACE_PERIOD_ANNOTATION,
  HASH_ANNOTATION,
  POD_NAME_LABEL,
  POD_NAMESPACE_LABEL,
  POD_UID_LABEL,
  PORTS_ANNOTATION,
  PRE_STOP_ANNOTATION,
  RESTART_COUNT_ANNOTATION,
  TERMINATION_PATH_ANNOTATION,
  TERMINATION_POLICY_ANNOTATION,
} from "./kubelet-labels.ts";
import type { RuntimeContainer, RuntimePod, RuntimeSandbox } from "./runtime-pod.ts";
import { stopSignalName } from "./stop-signal.ts";

const NS_PER_MS = 1_000_000n;

/** Remembers what cannot change any more: an exited container's status is asked for once. */
export interface ExitedContainers {
  get(id: string): RuntimeContainer | undefined;
  set(id: string, container: RuntimeContainer): void;
}

/** Asks the runtime for all it knows of one pod. */
export async function readRuntimePod(
  runtime: RuntimeService,
  identity: { readonly uid: string; readonly namespace: string; readonly name: string },
  exited: ExitedContainers,
  signal: AbortSignal,
): Promise<RuntimePod> {
  const labels = { [POD_UID_LABEL]: identity.uid };
  const [sandboxes, containers] = await Promise.all([
    runtime.listPodSandboxes(labels, signal),
    runtime.listContainers(labels, signal),
  ]);
  const [sandboxStatuses, containerStatuses] = await Promise.all([
    Promise.all(sandboxes.map(({ id }) => runtime.podSandboxStatus(id, signal))),
    Promise.all(containers.map((container) => readContainer(runtime, container, exited, signal))),
  ]);
  return {
    ...identity,
    sandboxes: sandboxStatuses
      .filter((status) => status !== undefined)
      .map(toRuntimeSandbox)
      .sort((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs),
    containers: containerStatuses
      .filter((container) => container !== undefined)
      .sort((a, b) => b.createdAtMs - a.createdAtMs || b.restartCount - a.restartCount),
  };
}

async function readContainer(
  runtime: RuntimeService,
  listed: Container,
  exited: ExitedContainers,
  signal: AbortSignal,
): Promise<RuntimeContainer | undefined> {
  const known = exited.get(listed.id);
  if (known !== undefined) return known;
  const status = await runtime.containerStatus(listed.id, signal);
  if (status === undefined) return undefined;
  const container = toRuntimeContainer(status, listed.podSandboxId);
  if (container.state === "exited") exited.set(container.id, container);
  return container;
}

function toRuntimeSandbox(status: PodSandboxStatus): RuntimeSandbox {
  const { network } = status;
  const ips =
    network === undefined || network.ip === "" ? [] : [network.ip, ...network.additionalIps.map(({ ip }) => ip)];
  return {
    id: status.id,
    attempt: status.metadata?.attempt ?? 0,
    ready: status.state === PodSandboxState.SANDBOX_READY,
    createdAtMs: toMs(status.createdAt),
    ips,
    hostNetwork: status.linux?.namespaces?.options?.network === NamespaceMode.NODE,
  };
}

const STATES: Record<ContainerState, RuntimeContainer["state"]> = {
  [ContainerState.CONTAINER_CREATED]: "created",
  [ContainerState.CONTAINER_RUNNING]: "running",
  [ContainerState.CONTAINER_EXITED]: "exited",
  [ContainerState.CONTAINER_UNKNOWN]: "unknown",
};

function toRuntimeContainer(status: ContainerStatus, sandboxId: string): RuntimeContainer {
  const { annotations, labels } = status;
  const terminationPath = annotations[TERMINATION_PATH_ANNOTATION];
  const grace = annotations[DELETION_GRACE_ANNOTATION] ?? annotations[GRACE_PERIOD_ANNOTATION];
  return {
    id: status.id,
    sandboxId,
    name: labels[CONTAINER_NAME_LABEL] ?? status.metadata?.name ?? "",
    state: STATES[status.state] ?? "unknown",
    createdAtMs: toMs(status.createdAt),
    startedAtMs: toMs(status.startedAt),
    finishedAtMs: toMs(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.message,
    image: status.image?.image ?? "",
    imageRef: status.imageRef,
    hash: annotations[HASH_ANNOTATION] ?? "",
    restartCount: parseCount(annotations[RESTART_COUNT_ANNOTATION]) ?? status.metadata?.attempt ?? 0,
    logPath: status.logPath,
    recursiveReadOnly: status.mounts
      .filter((mount) => mount.recursiveReadOnly)
      .map(({ containerPath }) => containerPath),
    terminationMessageHostPath: status.mounts.find(({ containerPath }) => containerPath === terminationPath)?.hostPath,
    terminationMessagePolicy: annotations[TERMINATION_POLICY_ANNOTATION] ?? "File",
    gracePeriodSeconds: parseCount(grace),
    preStop: parseNote<LifecycleHandler>(annotations[PRE_STOP_ANNOTATION]),
    ports: parseNote<ContainerPort[]>(annotations[PORTS_ANNOTATION]) ?? [],
    stopSignal: stopSignalName(status.stopSignal),
    user: userOf(status),
  };
}

/** Who a sandbox or container belongs to; `undefined` if no kubelet made it. */
export function podOf(
  labels: Readonly<Record<string, string>>,
): Omit<RuntimePod, "sandboxes" | "containers"> | undefined {
  const uid = labels[POD_UID_LABEL];
  const name = labels[POD_NAME_LABEL];
  const namespace = labels[POD_NAMESPACE_LABEL];
  return uid === undefined || name === undefined || namespace === undefined ? undefined : { uid, name, namespace };
}

function toMs(nanoseconds: bigint): number {
  return nanoseconds <= 0n ? 0 : Number(nanoseconds / NS_PER_MS);
}

/** `undefined`: this runtime does not say. */
function userOf({ user }: ContainerStatus): RuntimeContainer["user"] {
  if (user?.linux === undefined) return undefined;
  const { uid, gid, supplementalGroups } = user.linux;
  return { uid: Number(uid), gid: Number(gid), supplementalGroups: supplementalGroups.map(Number) };
}

/** What a kubelet, or we, wrote on the container; whoever else may write there is root. */
function parseNote<T extends object>(json: string | undefined): T | undefined {
  try {
    const value: unknown = json === undefined ? undefined : JSON.parse(json);
    return typeof value === "object" && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

function parseCount(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
