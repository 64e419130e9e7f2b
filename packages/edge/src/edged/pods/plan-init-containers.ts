import type { Container, Pod } from "@kedge/kube";
import type { RuntimeContainer, RuntimePod } from "../runtime/runtime-pod.ts";
import { type ContainerKill, judgeRunning, type ProbeResults, UNKNOWN_STATE_MESSAGE } from "./container-verdict.ts";
import { restartPolicyOf, restartsAfter } from "./restart-policy.ts";

export interface InitPlan {
  /** Regular containers may start. */
  readonly initialized: boolean;
  /** One failed for good: so did the pod. */
  readonly failed: boolean;
  readonly kills: readonly ContainerKill[];
  readonly starts: readonly Container[];
}

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/** Whether all init containers have done their part: any regular container of the present sandbox proves it. */
export function isInitialized(pod: Pod, runtime: RuntimePod): boolean {
  const sandboxId = runtime.sandboxes[0]?.id;
  const regular = new Set((pod.spec?.containers ?? []).map(({ name }) => name));
  return runtime.containers.some((record) => record.sandboxId === sandboxId && regular.has(record.name));
}

/**
 * Plain init containers run one after the other; a sidecar lets the next one start once it has started, and is kept
 * running from then on. Looks from the last one back: records of earlier ones may have been removed by then.
 */
export function planInitContainers(pod: Pod, runtime: RuntimePod, probes: ProbeResults): InitPlan {
  const containers = pod.spec?.initContainers ?? [];
  const sandboxId = runtime.sandboxes[0]?.id;
  const kills: ContainerKill[] = [];
  const starts: Container[] = [];
  let initialized = containers.length === 0 || isInitialized(pod, runtime);
  let passed = initialized; // those before the one we look at have done their part
  let seen = false;
  const restart = (
    container: Container,
    record: RuntimeContainer,
    message: string,
    failed?: ContainerKill["failed"],
  ) => {
    kills.push({ container: record, message, failed });
    starts.unshift(container);
  };

  for (const [index, container] of [...containers.entries()].reverse()) {
    const record = runtime.containers.find((one) => one.name === container.name && one.sandboxId === sandboxId);
    if (record === undefined) {
      if (passed && isSidecar(container)) starts.unshift(container);
      continue;
    }
    seen = true;
    if (passed && !isSidecar(container)) continue;
    const next = () => {
      if (passed) return;
      const following = containers[index + 1];
      if (following === undefined) initialized = true;
      else starts.push(following);
    };
    switch (record.state) {
      case "created":
        starts.unshift(container);
        break;
      case "unknown":
        // Perhaps it has not ended, so there is no exit code that a rule could speak of.
        if (restartPolicyOf(container, pod.spec) === "Never") return failed;
        restart(container, record, `Init ${UNKNOWN_STATE_MESSAGE.replace("Container", "container")}`);
        break;
      case "running": {
        if (!isSidecar(container)) break;
        // One that is about to be restarted lets the next one start all the same: it had started.
        if (container.startupProbe === undefined || probes.startup(record.id) === true) next();
        const verdict = judgeRunning(pod, container, record, probes);
        if (verdict !== undefined)
          restart(container, record, `Init container ${container.name} ${verdict.why}`, verdict.failed);
        break;
      }
      case "exited":
        if (isSidecar(container)) starts.unshift(container);
        else if (record.exitCode === 0) next();
        else if (!restartsAfter(container, pod.spec, record.exitCode)) return failed;
        else starts.unshift(container);
        break;
    }
    passed = true;
  }
  if (!seen && !initialized) starts.push(...containers.slice(0, 1));
  return { initialized, failed: false, kills, starts };
}

const failed: InitPlan = { initialized: false, failed: true, kills: [], starts: [] };
