import type { Container, ContainerState, ContainerStatus, Pod, ResourceRequirements } from "@kedge/kube";
import { isInitialized, isSidecar } from "../pods/plan-init-containers.ts";
import { shouldStart } from "../pods/container-verdict.ts";
import { restartsAll } from "../pods/restart-policy.ts";
import { newestContainer, type RuntimeContainer, type RuntimePod } from "../runtime/runtime-pod.ts";
import { toTime } from "./kube-time.ts";
import { RESTARTING_ALL } from "./pod-phase.ts";

/** Why a container does not run, by container name: what starting it has brought. */
export type StartFailures = ReadonlyMap<string, { readonly reason: string; readonly message: string }>;

/** What containers had to say at their end, by container id. */
export type TerminationMessages = ReadonlyMap<string, string>;

export interface ContainerFacts {
  readonly failures: StartFailures;
  readonly messages: TerminationMessages;
  /** Of one that runs: whether its startup probe says that it has started; without one, it has. */
  readonly started: (container: Container, record: RuntimeContainer) => boolean;
  /** Of one that has started: whether its readiness probe lets it be ready; without one, it is. */
  readonly ready: (container: Container, record: RuntimeContainer) => boolean;
  /** What running containers have, by name, where that is not what the pod was given. */
  readonly actuated?: Readonly<Record<string, ResourceRequirements>>;
}

export type ContainerKind = "init" | "regular" | "ephemeral";

const LISTS = {
  init: ["initContainers", "initContainerStatuses"],
  regular: ["containers", "containerStatuses"],
  ephemeral: ["ephemeralContainers", "ephemeralContainerStatuses"],
} as const;
const PASSED_UNSEEN =
  "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally";
const REMOVED_TO_RESTART = "The container is removed because RestartAllContainers in place";
const UNKNOWN_REASON = "ContainerStatusUnknown";
const KILLED_EXIT_CODE = 137;
const LOST_WHILE_RUNNING =
  "The container could not be located when the pod was deleted.  The container used to be Running";

/** Statuses of regular containers, by name; of init containers, in their order. @see `edge-runtime` §2.8, pod status */
export function containerStatuses(
  pod: Pod,
  runtime: RuntimePod,
  kind: ContainerKind,
  facts: ContainerFacts,
): ContainerStatus[] {
  const [list, statusList] = LISTS[kind];
  const containers: readonly Container[] = pod.spec?.[list] ?? [];
  const old = pod.status?.[statusList] ?? [];
  const restartingAll = kind !== "ephemeral" && restartsAll(pod, runtime);
  const statuses = containers.map((container) => {
    const before = old.find(({ name }) => name === container.name);
    return statusOf(pod, container, runtime, before, kind, facts, restartingAll);
  });
  return kind === "init" ? statuses : statuses.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function statusOf(
  pod: Pod,
  container: Container,
  runtime: RuntimePod,
  before: ContainerStatus | undefined,
  kind: ContainerKind,
  facts: ContainerFacts,
  restartingAll: boolean,
): ContainerStatus {
  const records = runtime.containers.filter(({ name }) => name === container.name);
  const [newest, previous] = records;
  let status =
    newest === undefined
      ? withoutRecord(pod, container, runtime, before, kind, restartingAll)
      : withRecord(container, newest, before);
  if (newest !== undefined) {
    const said = facts.messages.get(newest.id) ?? "";
    const known = before?.containerID === status.containerID ? before?.state?.terminated?.message : undefined;
    if (said !== "") say(status.state?.terminated, said);
    // The file that held the message may be gone with the pod's directory.
    else if (status.state?.terminated !== undefined && known !== undefined) status.state.terminated.message = known;
    if (previous !== undefined) {
      status.lastState = stateOf(previous);
      say(status.lastState.terminated, facts.messages.get(previous.id));
    } else status.lastState = formerEnd(status, before);
  }
  status = withFailure(pod, container, runtime, status, kind, facts.failures);
  const running = newest?.state === "running" && status.state?.running !== undefined;
  const endsByItself = kind === "init" && !isSidecar(container);
  status.started = running && newest !== undefined && (endsByItself || facts.started(container, newest));
  status.ready = endsByItself
    ? status.state?.terminated?.exitCode === 0
    : status.started && newest !== undefined && facts.ready(container, newest);
  if (newest !== undefined) {
    const given = container.resources ?? {};
    status.resources = running ? (facts.actuated?.[container.name] ?? given) : given;
    if (given.requests !== undefined) status.allocatedResources = given.requests;
  }
  if (kind === "ephemeral") {
    status.ready = false; // nobody's traffic waits for it
    delete status.started;
  }
  return status;
}

/** How it ended before, when the runtime's record of that is gone. */
function formerEnd(status: ContainerStatus, before: ContainerStatus | undefined): ContainerState {
  const sameRun = before?.containerID === status.containerID;
  if (!sameRun && before?.state?.terminated !== undefined) return { terminated: before.state.terminated };
  return before?.lastState ?? {};
}

function withRecord(
  container: Container,
  record: RuntimeContainer,
  before: ContainerStatus | undefined,
): ContainerStatus {
  const status: ContainerStatus = {
    name: container.name,
    state: stateOf(record),
    lastState: {},
    ready: false,
    // Of one that was removed only we know how often it ran.
    restartCount: Math.max(record.restartCount, before?.restartCount ?? 0),
    image: record.image === "" ? (container.image ?? "") : record.image,
    imageID: record.imageRef,
    containerID: `containerd://${record.id}`,
    ...mountsOf(container, record),
    ...(record.user !== undefined && { user: { linux: record.user } }),
    ...(record.stopSignal !== undefined && { stopSignal: record.stopSignal }),
  };
  if (record.state !== "unknown") return status;
  if (before?.state?.running === undefined) return { ...status, state: { waiting: {} } };
  const terminated = {
    ...lost("The container could not be located when the pod was terminated"),
    startedAt: before.state.running.startedAt,
  };
  return { ...status, restartCount: before.restartCount + 1, state: { terminated } as ContainerState };
}

/** The runtime has no such container: it has not been made yet, or its record was lost. */
function withoutRecord(
  pod: Pod,
  container: Container,
  runtime: RuntimePod,
  before: ContainerStatus | undefined,
  kind: ContainerKind,
  restartingAll: boolean,
): ContainerStatus {
  if (restartingAll && before !== undefined && before.state?.waiting === undefined)
    return restarting(container, before);
  if (before?.state?.terminated !== undefined) return { ...before };
  if (kind === "ephemeral" && before?.state?.running !== undefined)
    return { ...before, state: { terminated: lost(LOST_WHILE_RUNNING) } };
  const reason = (pod.spec?.initContainers ?? []).length > 0 ? "PodInitializing" : "ContainerCreating";
  const status: ContainerStatus = {
    name: container.name,
    state: { waiting: { reason } },
    lastState: before?.lastState ?? {},
    ready: false,
    restartCount: before?.restartCount ?? 0,
    image: container.image ?? "",
    imageID: "",
    ...mountsOf(container),
  };
  // Its record went, and nobody had been told: that it was passed is known by those that came after it.
  if (kind === "init" && !isSidecar(container) && isInitialized(pod, runtime))
    return { ...status, state: { terminated: { exitCode: 0, reason: "Completed", message: PASSED_UNSEEN } } };
  if (before === undefined) return status;
  if (before.state?.running === undefined || status.lastState?.terminated !== undefined) return status;
  // It ran when we last looked: without this the pod would seem never to have started.
  status.lastState = { terminated: lost(LOST_WHILE_RUNNING) };
  if (pod.metadata?.deletionTimestamp === undefined) status.restartCount += 1;
  return status;
}

/** It was removed so that all start anew. */
function restarting(container: Container, before: ContainerStatus): ContainerStatus {
  const why = { reason: RESTARTING_ALL, message: REMOVED_TO_RESTART };
  return {
    name: container.name,
    state: { waiting: { ...why } },
    lastState: { terminated: { ...why, exitCode: KILLED_EXIT_CODE } },
    ready: false,
    restartCount: before.restartCount + 1,
    image: container.image ?? "",
    imageID: "",
    ...mountsOf(container),
  };
}

function mountsOf({ volumeMounts = [] }: Container, record?: RuntimeContainer): Pick<ContainerStatus, "volumeMounts"> {
  const isStrict = (path: string, wanted: string | undefined) =>
    wanted === "Enabled" || (wanted === "IfPossible" && record?.recursiveReadOnly?.includes(path) === true);
  if (volumeMounts.length === 0) return {};
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly = false, recursiveReadOnly }) => ({
      name,
      mountPath,
      // A container whose mounts cannot be as strict as it wants is not started: so this tells what is.
      ...(readOnly && { readOnly, recursiveReadOnly: isStrict(mountPath, recursiveReadOnly) ? "Enabled" : "Disabled" }),
    })),
  };
}

function lost(message: string) {
  return { exitCode: KILLED_EXIT_CODE, reason: UNKNOWN_REASON, message };
}

/** A container that shall run, and could not be started, waits: whatever its last state. */
function withFailure(
  pod: Pod,
  container: Container,
  runtime: RuntimePod,
  status: ContainerStatus,
  kind: ContainerKind,
  failures: StartFailures,
): ContainerStatus {
  const failure = failures.get(container.name);
  if (failure === undefined) return status;
  const record = newestContainer(runtime, container.name);
  if (kind === "init" && !isSidecar(container) && record?.state === "exited" && record.exitCode === 0) return status;
  if (!shouldStart(pod, container, runtime)) return status;
  const lastState = status.state?.terminated === undefined ? status.lastState : { terminated: status.state.terminated };
  return { ...status, state: { waiting: { ...failure } }, lastState: lastState ?? {} };
}

function stateOf(record: RuntimeContainer): ContainerState {
  switch (record.state) {
    case "running":
      return { running: { startedAt: toTime(record.startedAtMs) } };
    case "exited": {
      const { exitCode, reason, message, startedAtMs, finishedAtMs, id } = record;
      return {
        terminated: {
          exitCode,
          reason,
          ...(message !== "" && { message }),
          startedAt: toTime(startedAtMs),
          finishedAt: toTime(finishedAtMs),
          containerID: `containerd://${id}`,
        },
      };
    }
    default:
      return { waiting: {} };
  }
}

function say(terminated: { message?: string } | undefined, message: string | undefined): void {
  if (terminated === undefined || message === undefined || message === "") return;
  terminated.message = terminated.message === undefined ? message : `${terminated.message}: ${message}`;
}
