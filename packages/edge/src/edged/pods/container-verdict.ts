import type { Container, Pod } from "@kedge/kube";
import { containerHash } from "../runtime/container-hash.ts";
import { restartPolicyOf, restartsAfter } from "./restart-policy.ts";
import { newestContainer, type RuntimeContainer, type RuntimePod } from "../runtime/runtime-pod.ts";

export interface ContainerKill {
  readonly container: RuntimeContainer;
  /** For the event. */
  readonly message: string;
  /** The probe that it failed, which may have a grace period of its own. */
  readonly failed?: "liveness" | "startup" | undefined;
}

/** How probes see a container. */
export interface ProbeResults {
  /** `undefined`: not known, or no such probe. */
  liveness(containerId: string): boolean | undefined;
  startup(containerId: string): boolean | undefined;
}

export const noProbes: ProbeResults = { liveness: () => undefined, startup: () => undefined };

/** As kubelets put it. */
export const UNKNOWN_STATE_MESSAGE = 'Container is in "unknown" state, try killing it before restart';

/** @returns why a running container must be killed; `undefined`: it may go on. */
export function judgeRunning(
  pod: Pod,
  container: Container,
  record: RuntimeContainer,
  probes: ProbeResults,
): { readonly why: string; readonly failed: ContainerKill["failed"]; readonly restart: boolean } | undefined {
  let why: string;
  let failed: ContainerKill["failed"];
  let restart = restartPolicyOf(container, pod.spec) !== "Never"; // rules speak of exit codes, and there is none
  if (record.hash !== "" && record.hash !== containerHash(container)) {
    why = "definition changed";
    restart = true;
  } else if (probes.liveness(record.id) === false) {
    why = "failed liveness probe";
    failed = "liveness";
  } else if (probes.startup(record.id) === false) {
    why = "failed startup probe";
    failed = "startup";
  } else return undefined;
  return { why, restart, failed };
}

/** Whether a regular container that does not run must run (again), be it now or after its back-off. */
export function shouldStart(pod: Pod, container: Container, runtime: RuntimePod): boolean {
  if (pod.metadata?.deletionTimestamp !== undefined) return false;
  const record = newestContainer(runtime, container.name);
  if (record === undefined || record.state === "unknown" || record.state === "created") return true;
  if (record.state === "running") return false;
  return restartsAfter(container, pod.spec, record.exitCode);
}
