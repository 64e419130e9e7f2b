import type { Container, Pod } from "@kedge/kube";
import {
  newestContainer,
  type RuntimeContainer,
  type RuntimePod,
  type RuntimeSandbox,
} from "../runtime/runtime-pod.ts";
import {
  type ContainerKill,
  judgeRunning,
  noProbes,
  type ProbeResults,
  shouldStart,
  UNKNOWN_STATE_MESSAGE,
} from "./container-verdict.ts";
import { planEphemeral } from "./plan-ephemeral.ts";
import { containersToReset, restartPolicyOf, restartsAll } from "./restart-policy.ts";
import { planInitContainers } from "./plan-init-containers.ts";

/** What to do to bring the runtime closer to the spec; `planPod` decides, `PodSync` acts. */
export interface PodPlan {
  /** Stop every container and sandbox first. */
  readonly killPod: boolean;
  /** Then run a sandbox with this attempt. */
  readonly createSandbox: { readonly attempt: number } | undefined;
  /** The sandbox to go on with; undefined when one is created, or none is needed. */
  readonly sandbox: RuntimeSandbox | undefined;
  readonly kills: readonly ContainerKill[];
  /** To be killed at once and removed, in this order: all start anew then, in the same sandbox. */
  readonly resets: readonly RuntimeContainer[];
  /** In this order. */
  readonly starts: readonly Container[];
}

const nothing: PodPlan = {
  killPod: false,
  createSandbox: undefined,
  sandbox: undefined,
  kills: [],
  resets: [],
  starts: [],
};

/** Decides on the next round of a pod that shall run. @see `edge-runtime` §3.3 and the restart table of §2.8 */
export function planPod(pod: Pod, runtime: RuntimePod, probes: ProbeResults = noProbes): PodPlan {
  if (restartsAll(pod, runtime)) {
    const resets = containersToReset(pod, runtime);
    if (resets.length > 0) return { ...nothing, sandbox: runtime.sandboxes[0], resets };
  }
  const attempt = nextSandboxAttempt(pod, runtime);
  if (attempt !== undefined) return planSandbox(pod, runtime, attempt);
  const plan = planContainers(pod, runtime, probes);
  return plan.killPod ? plan : { ...plan, starts: [...planEphemeral(pod, runtime), ...plan.starts] };
}

/** @returns `undefined` if the newest sandbox will do. */
function nextSandboxAttempt(pod: Pod, { sandboxes }: RuntimePod): number | undefined {
  const [newest] = sandboxes;
  if (newest === undefined) return 0;
  const hostNetwork = pod.spec?.hostNetwork === true;
  const usable =
    newest.ready &&
    sandboxes.filter(({ ready }) => ready).length === 1 &&
    newest.hostNetwork === hostNetwork &&
    (hostNetwork || newest.ips.length > 0);
  return usable ? undefined : newest.attempt + 1;
}

function planSandbox(pod: Pod, runtime: RuntimePod, attempt: number): PodPlan {
  const { restartPolicy = "Always", containers = [], initContainers = [] } = pod.spec ?? {};
  const killOnly = { ...nothing, killPod: true };
  if (restartPolicy === "Never" && attempt !== 0 && runtime.containers.length > 0) return killOnly;
  const unfinished = containers.filter(
    (container) =>
      restartPolicyOf(container, pod.spec) !== "OnFailure" || !succeeded(newestContainer(runtime, container.name)),
  );
  const initialized = containers.some(({ name }) => newestContainer(runtime, name) !== undefined);
  if (initialized && unfinished.length === 0) return killOnly;
  const starts = initContainers.length > 0 ? initContainers.slice(0, 1) : unfinished;
  return { ...nothing, killPod: true, createSandbox: { attempt }, starts };
}

function succeeded(container: RuntimeContainer | undefined): boolean {
  return container?.state === "exited" && container.exitCode === 0;
}

function planContainers(pod: Pod, runtime: RuntimePod, probes: ProbeResults): PodPlan {
  const [sandbox] = runtime.sandboxes;
  const idle = { ...nothing, sandbox };
  const init = planInitContainers(pod, runtime, probes);
  if (init.failed) return { ...idle, killPod: true, kills: [], starts: [] };
  if (!init.initialized) return { ...idle, kills: init.kills, starts: init.starts };

  const kills: ContainerKill[] = [];
  const starts: Container[] = [];
  let kept = 0;
  for (const container of pod.spec?.containers ?? []) {
    const record = newestContainer(runtime, container.name);
    if (record?.state !== "running") {
      if (!shouldStart(pod, container, runtime)) continue;
      starts.push(container);
      if (record?.state === "unknown") kills.push({ container: record, message: UNKNOWN_STATE_MESSAGE });
      continue;
    }
    const verdict = judgeRunning(pod, container, record, probes);
    if (verdict === undefined) {
      kept += 1;
      continue;
    }
    const message = `Container ${container.name} ${verdict.why}${verdict.restart ? ", will be restarted" : ""}`;
    kills.push({ container: record, message, failed: verdict.failed });
    if (verdict.restart) starts.push(container);
  }
  // All have done their work: what only served them, sidecars and sandbox, goes too.
  if (kept === 0 && starts.length === 0) return { ...idle, killPod: true, kills: [], starts: [] };
  return { ...idle, kills: [...init.kills, ...kills], starts: [...init.starts, ...starts] };
}
