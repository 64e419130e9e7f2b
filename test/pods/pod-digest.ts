import type { ContainerState, ContainerStatus, Pod } from "@kedge/kube";

export interface ContainerDigest {
  readonly state: "waiting" | "running" | "terminated" | "none";
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly signal?: number | undefined;
  readonly ready: boolean;
  readonly started?: boolean | undefined;
  readonly restarts: number;
  /** Its last end, as `REASON EXIT-CODE`. */
  readonly last?: string | undefined;
  readonly lastMessage?: string | undefined;
  readonly image?: string | undefined;
}

/** What a user sees of a pod, without what differs from run to run: times, addresses, ids. */
export interface PodDigest {
  readonly phase: string;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly qosClass?: string | undefined;
  readonly deleting: boolean;
  readonly hasAddress: boolean;
  readonly hostNetworked: boolean;
  /** Type → `True`, or `False REASON`. */
  readonly conditions: Readonly<Record<string, string>>;
  readonly containers: Readonly<Record<string, ContainerDigest>>;
  readonly initContainers: Readonly<Record<string, ContainerDigest>>;
  readonly ephemeralContainers: Readonly<Record<string, ContainerDigest>>;
}

export function digestPod({ metadata, status = {} }: Pod): PodDigest {
  const condition = ({ status: value, reason }: { status: string; reason?: string | undefined }): string =>
    reason === undefined || reason === "" ? value : `${value} ${reason}`;
  return compact({
    phase: status.phase ?? "",
    reason: status.reason,
    message: status.message,
    qosClass: status.qosClass,
    deleting: metadata?.deletionTimestamp !== undefined,
    hasAddress: (status.podIP ?? "") !== "",
    hostNetworked: status.podIP !== undefined && status.podIP === status.hostIP,
    conditions: Object.fromEntries((status.conditions ?? []).map((each) => [each.type, condition(each)])),
    containers: digestContainers(status.containerStatuses),
    initContainers: digestContainers(status.initContainerStatuses),
    ephemeralContainers: digestContainers(status.ephemeralContainerStatuses),
  });
}

function digestContainers(statuses: readonly ContainerStatus[] = []): Record<string, ContainerDigest> {
  return Object.fromEntries(statuses.map((status) => [status.name, digestContainer(status)]));
}

function digestContainer(status: ContainerStatus): ContainerDigest {
  const last = status.lastState?.terminated;
  return compact({
    ...digestState(status.state),
    ready: status.ready,
    started: status.started,
    restarts: status.restartCount,
    last: last === undefined ? undefined : `${last.reason ?? ""} ${last.exitCode}`,
    lastMessage: last?.message,
    image: status.image,
  });
}

function digestState({ waiting, running, terminated }: ContainerState = {}): Pick<
  ContainerDigest,
  "state" | "reason" | "message" | "exitCode" | "signal"
> {
  if (terminated !== undefined) {
    const { reason, message, exitCode, signal } = terminated;
    return { state: "terminated", reason, message, exitCode, signal };
  }
  if (running !== undefined) return { state: "running" };
  if (waiting !== undefined) return { state: "waiting", reason: waiting.reason, message: waiting.message };
  return { state: "none" };
}

/** Without members that are undefined, so that what is printed is short. */
function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
