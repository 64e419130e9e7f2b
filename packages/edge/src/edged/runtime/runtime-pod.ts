import type { ContainerPort, LifecycleHandler } from "@kedge/kube";

/** What the runtime knows of one pod: plain facts, so that deciding on them is pure. */
export interface RuntimePod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Newest first. */
  readonly sandboxes: readonly RuntimeSandbox[];
  /** In every state, of every sandbox, newest first. */
  readonly containers: readonly RuntimeContainer[];
}

export interface RuntimeSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAtMs: number;
  /** Primary first; empty on the host's network, or when not ready. */
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
}

export interface RuntimeContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly state: "created" | "running" | "exited" | "unknown";
  /** Unix ms; 0: did not happen. */
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  /** As the runtime names it. */
  readonly image: string;
  readonly imageRef: string;
  readonly hash: string;
  readonly restartCount: number;
  readonly logPath: string;
  /** Paths in it where nothing below can be written either. */
  readonly recursiveReadOnly?: readonly string[];
  /** Of termination messages: where on the host, and what to do without one. */
  readonly terminationMessageHostPath: string | undefined;
  readonly terminationMessagePolicy: string;
  readonly gracePeriodSeconds: number | undefined;
  /** Written on it when it was made, for the time when its pod's object is gone. */
  readonly preStop?: LifecycleHandler | undefined;
  readonly ports?: ContainerPort[];
  /** Where the runtime says what it sends to end it, and as whom it runs. */
  readonly stopSignal?: string | undefined;
  readonly user?: { readonly uid: number; readonly gid: number; readonly supplementalGroups: number[] } | undefined;
}

export const emptyRuntimePod = (uid: string, namespace: string, name: string): RuntimePod => ({
  uid,
  namespace,
  name,
  sandboxes: [],
  containers: [],
});

/** The newest record of this container. */
export function newestContainer(pod: RuntimePod, name: string): RuntimeContainer | undefined {
  return pod.containers.find((container) => container.name === name);
}

export function runningContainers(pod: RuntimePod): RuntimeContainer[] {
  return pod.containers.filter(({ state }) => state === "running" || state === "unknown");
}

/** Whether nothing of the pod runs any more. */
export function isStopped(pod: RuntimePod): boolean {
  return runningContainers(pod).length === 0 && pod.sandboxes.every(({ ready }) => !ready);
}
