import { hasCode, toError } from "@kedge/runtime";
import type { Container, Pod } from "@kedge/kube";
import { ContainerStartError } from "../edged-error.ts";
import type { EdgedParts } from "../edged-parts.ts";
import { containerHash } from "../runtime/container-hash.ts";
import { killContainer, killPod, podAddress } from "../runtime/kill-pod.ts";
import { removeContainer, removeSuperfluous } from "../runtime/remove-dead.ts";
import { runSandbox, sandboxConfig } from "../runtime/run-sandbox.ts";
import { newestContainer, type RuntimeContainer, type RuntimePod } from "../runtime/runtime-pod.ts";
import { type ReadySandbox, startContainer } from "../runtime/start-container.ts";
import { formatGoDuration } from "./go-duration.ts";
import type { KeyedBackoff } from "./keyed-backoff.ts";
import type { PodPlan } from "./plan-pod.ts";

/** What one round of acting on a plan came to. */
export interface RoundOutcome {
  /** Something may have changed in the runtime: look again. */
  readonly acted: boolean;
  /** By container name. */
  readonly failures: ReadonlyMap<string, { readonly reason: string; readonly message: string }>;
  readonly started: readonly string[];
  /** When to try again what failed. */
  readonly retryAfterMs: number | undefined;
}

/** After an error that says nothing of when it could be over. */
const RETRY_MS = 10_000;

/** Carries out plans for pods that shall run. */
export class PodRound {
  readonly #parts: EdgedParts;
  readonly #crashes: KeyedBackoff;

  constructor(parts: EdgedParts, crashes: KeyedBackoff) {
    this.#parts = parts;
    this.#crashes = crashes;
  }

  /**
   * @param ending aborts when the pod shall end: pulls end then, and nothing more is started. What the runtime has begun is
   *   not interrupted, or it may leave half of it behind.
   * @throws when the sandbox, the volumes or the cgroup cannot be made; what concerns one container is in the outcome.
   */
  async act(
    pod: Pod,
    plan: PodPlan,
    runtime: RuntimePod,
    ending: AbortSignal,
    signal: AbortSignal,
  ): Promise<RoundOutcome> {
    const parts = this.#parts;
    if (plan.killPod) {
      const changed = runtime.sandboxes.length > 0 && plan.createSandbox !== undefined;
      if (changed) parts.events.normal(pod, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
      await killPod(pod, runtime, {}, parts, signal);
      if (plan.createSandbox === undefined) return { ...nothing, acted: true };
    }
    const podIP = podAddress(pod, runtime, parts);
    await Promise.all(
      plan.kills.map(({ container, message, failed }) =>
        killContainer(pod, container, { message, failed, podIP }, parts, signal),
      ),
    );
    for (const record of plan.resets) await this.#reset(pod, record, podIP, signal);
    const due = this.#split(pod, plan.starts, runtime);
    if (plan.createSandbox === undefined && due.starts.length === 0)
      return { ...due.outcome, acted: plan.kills.length + plan.resets.length > 0 };

    await parts.cgroups?.ensurePod(pod, parts.cpus.hasOwn(pod.metadata?.uid ?? ""));
    await this.#prepareVolumes(pod, signal);
    const sandbox = await this.#sandbox(pod, plan, runtime, signal);
    const outcome = { ...due.outcome, failures: new Map(due.outcome.failures), started: [] as string[], acted: true };
    for (const container of due.starts) {
      if (ending.aborted) break;
      try {
        await startContainer(pod, container, sandbox, runtime, parts, ending, signal);
        outcome.started.push(container.name);
      } catch (error) {
        signal.throwIfAborted();
        if (ending.aborted) break;
        const { reason, retryAfterMs } = whyNot(error);
        outcome.failures.set(container.name, { reason, message: toError(error).message });
        outcome.retryAfterMs = Math.min(outcome.retryAfterMs ?? Number.POSITIVE_INFINITY, retryAfterMs);
        const isInit = pod.spec?.initContainers?.includes(container) === true;
        if (isInit && container.restartPolicy !== "Always") break; // nothing after it may start
      }
    }
    return outcome;
  }

  /** Ends a container without ado and forgets it; its logs stay, since they count its runs. */
  async #reset(pod: Pod, record: RuntimeContainer, podIP: string | undefined, signal: AbortSignal): Promise<void> {
    const end = { message: "killing", graceSeconds: 0, podIP };
    if (record.state !== "exited") await killContainer(pod, record, end, this.#parts, signal);
    await this.#parts.cri.runtime.removeContainer(record.id, signal);
  }

  /** Removes what a living pod does not need any more. */
  async tidy(runtime: RuntimePod, signal: AbortSignal): Promise<void> {
    await removeSuperfluous(runtime, this.#parts, signal);
  }

  /** Forgets the back-offs of a pod that is over. */
  forget(podUid: string): void {
    this.#crashes.forget(`${podUid}_`);
  }

  /** Which of the containers to start may start now, and which must wait for having crashed. */
  #split(pod: Pod, containers: readonly Container[], runtime: RuntimePod) {
    const starts: Container[] = [];
    const failures = new Map<string, { reason: string; message: string }>();
    let retryAfterMs: number | undefined;
    const { name, namespace, uid } = pod.metadata ?? {};
    for (const container of containers) {
      const record = newestContainer(runtime, container.name);
      if (record?.state !== "exited") {
        starts.push(container);
        continue;
      }
      const key = `${uid}_${name}_${namespace}_${container.name}_${containerHash(container)}`;
      // One that could not even be started has no time of its start.
      const ranMs = record.startedAtMs === 0 ? 0 : record.finishedAtMs - record.startedAtMs;
      this.#crashes.failed(key, record.id, ranMs);
      const { waitMs, remainingMs } = this.#crashes.wait(key);
      if (remainingMs <= 0) {
        starts.push(container);
        continue;
      }
      const whole = `pod ${name}_${namespace}(${uid})`;
      this.#parts.events.warn(
        pod,
        "BackOff",
        `Back-off restarting failed container ${container.name} in ${whole}`,
        container.name,
      );
      const message = `back-off ${formatGoDuration(waitMs)} restarting failed container=${container.name} pod=${name}_${namespace}(${uid})`;
      failures.set(container.name, { reason: "CrashLoopBackOff", message });
      retryAfterMs = Math.min(retryAfterMs ?? Number.POSITIVE_INFINITY, remainingMs);
      if (pod.spec?.initContainers?.includes(container) === true && container.restartPolicy !== "Always") break;
    }
    return { starts, outcome: { acted: false, failures, started: [], retryAfterMs } };
  }

  async #prepareVolumes(pod: Pod, signal: AbortSignal): Promise<void> {
    try {
      await this.#parts.volumes.prepare(pod, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#parts.events.warn(pod, "FailedMount", toError(error).message);
      throw error;
    }
  }

  async #sandbox(pod: Pod, plan: PodPlan, runtime: RuntimePod, signal: AbortSignal): Promise<ReadySandbox> {
    const { cri, events, node } = this.#parts;
    const hostNetwork = pod.spec?.hostNetwork === true;
    if (plan.sandbox !== undefined) {
      const config = await sandboxConfig(pod, plan.sandbox.attempt, true, this.#parts, signal);
      return { id: plan.sandbox.id, config, podIPs: hostNetwork ? node.hostIPs() : plan.sandbox.ips };
    }
    try {
      await this.#removeInitContainers(pod, runtime, signal);
      const config = await sandboxConfig(pod, plan.createSandbox?.attempt ?? 0, false, this.#parts, signal);
      const id = await runSandbox(pod, config, this.#parts, signal);
      if (hostNetwork) return { id, config, podIPs: node.hostIPs() };
      const status = await cri.runtime.podSandboxStatus(id, signal);
      const { ip = "", additionalIps = [] } = status?.network ?? {};
      return { id, config, podIPs: ip === "" ? [] : [ip, ...additionalIps.map((more) => more.ip)] };
    } catch (error) {
      signal.throwIfAborted();
      events.warn(pod, "FailedCreatePodSandBox", `Failed to create pod sandbox: ${toError(error).message}`);
      throw error;
    }
  }

  /** They run anew in a new sandbox; of their former runs the newest record is kept, for its number. */
  async #removeInitContainers(pod: Pod, runtime: RuntimePod, signal: AbortSignal): Promise<void> {
    for (const { name } of pod.spec?.initContainers ?? []) {
      const [, ...older] = runtime.containers.filter((record) => record.name === name);
      for (const record of older) await removeContainer(runtime, record, this.#parts, signal);
    }
  }
}

const nothing: RoundOutcome = { acted: false, failures: new Map(), started: [], retryAfterMs: undefined };

function whyNot(error: unknown): { reason: string; retryAfterMs: number } {
  if (error instanceof ContainerStartError)
    return { reason: error.code, retryAfterMs: error.details.retryAfterMs ?? RETRY_MS };
  if (hasCode(error, "CreateContainerConfigError")) return { reason: error.code, retryAfterMs: RETRY_MS };
  return { reason: "RunContainerError", retryAfterMs: RETRY_MS };
}
