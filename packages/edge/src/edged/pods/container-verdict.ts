import type { Container, Pod } from "@kedge/kube";
import { containerHash } from "../runtime/container-hash.ts";
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

export function unknownStateMessage({ name }: Container): string {
  return `Container ${name} is in unknown state, try killing it before restart`;
}

/** @returns why a running container must be killed; `undefined`: it may go on. */
export function judgeRunning(
  pod: Pod,
  container: Container,
  record: RuntimeContainer,
  probes: ProbeResults,
): (Omit<ContainerKill, "container"> & { readonly restart: boolean }) | undefined {
  let message: string;
  let failed: ContainerKill["failed"];
  let restart = pod.spec?.restartPolicy !== "Never" || container.restartPolicy === "Always";
  if (record.hash !== "" && record.hash !== containerHash(container)) {
    message = `Container ${container.name} definition changed`;
    restart = true;
  } else if (probes.liveness(record.id) === false) {
    message = `Container ${container.name} failed liveness probe`;
    failed = "liveness";
  } else if (probes.startup(record.id) === false) {
    message = `Container ${container.name} failed startup probe`;
    failed = "startup";
  } else return undefined;
  return { message: restart ? `${message}, will be restarted` : message, restart, failed };
}

/** Whether a regular container that does not run must run (again), be it now or after its back-off. */
export function shouldStart(pod: Pod, container: Container, runtime: RuntimePod): boolean {
  if (pod.metadata?.deletionTimestamp !== undefined) return false;
  const record = newestContainer(runtime, container.name);
  if (record === undefined || record.state === "unknown" || record.state === "created") return true;
  if (record.state === "running") return false;
  switch (container.restartPolicy ?? pod.spec?.restartPolicy ?? "Always") {
    case "Never":
      return false;
    case "OnFailure":
      return record.exitCode !== 0;
    default:
      return true;
  }
}
