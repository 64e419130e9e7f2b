import type { Pod, PodCondition } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import type { EdgedParts } from "../edged-parts.ts";
import { linuxResources } from "../resources/linux-resources.ts";
import { resourcesOptions } from "../runtime/resources-options.ts";
import { newestContainer, type RuntimePod } from "../runtime/runtime-pod.ts";
import type { PodAllocation } from "./allocations.ts";
import type { ResizeRefusal } from "./judge-resize.ts";
import { planResize, type ResizePlan } from "./plan-resize.ts";
import {
  type Allocation,
  allocationOf,
  changesPodLevel,
  isSameAllocation,
  largerOf,
  POD_LEVEL,
  withAllocation,
  withPodLevel,
} from "./pod-allocation.ts";

export interface PodResizeDeps extends EdgedParts {
  /** Whether the node can give the pod what its spec asks for. */
  readonly judgeResize: (desired: Pod, allocated: Pod) => ResizeRefusal | undefined;
}

export type ResizeCondition = Pick<PodCondition, "type" | "reason" | "message">;

/** Whom the node has no room for now is looked at again after this time. */
const DEFERRED_RETRY_MS = 10_000;
/** After the runtime refused. */
const ERROR_RETRY_MS = 10_000;

/** What one pod has of the node, and how it comes to what its spec asks for while its containers run. */
export class PodResize {
  readonly #deps: PodResizeDeps;
  readonly #uid: string;
  #state: PodAllocation | undefined;
  #refusal: ResizeRefusal | undefined;
  #error: string | undefined;
  #wasInProgress = false;

  constructor(uid: string, deps: PodResizeDeps) {
    this.#uid = uid;
    this.#deps = deps;
    this.#state = deps.allocations.get(uid);
  }

  /** The pod as if its spec asked for what it has. */
  allocated(pod: Pod): Pod {
    return withAllocation(pod, this.#state?.allocated);
  }

  /** What a container runs with, if that is known. */
  get actuated(): Allocation {
    return this.#state?.actuated ?? {};
  }

  get isDeferred(): boolean {
    return this.#refusal?.reason === "Deferred";
  }

  /** Takes the pod in with what it asks for; or decides whether it may have something else. @param desired as its spec asks. */
  async consider(desired: Pod): Promise<void> {
    const { allocations, events, judgeResize } = this.#deps;
    const wanted = allocationOf(desired);
    if (this.#state === undefined) {
      this.#state = { allocated: wanted, actuated: {} };
      allocations.note(this.#uid, this.#state);
      return;
    }
    if (isSameAllocation(this.#state.allocated, wanted)) {
      this.#refusal = undefined;
      return;
    }
    const refusal = judgeResize(desired, this.allocated(desired));
    if (refusal === undefined) {
      // First on disk: what is given must not be given twice after a restart.
      const next = { ...this.#state, allocated: wanted };
      await allocations.set(this.#uid, next);
      this.#state = next;
      this.#error = undefined;
      this.#wasInProgress = true;
      events.normal(desired, "ResizeStarted", `Pod resize started: ${summary(desired)}`);
    } else if (refusal.reason !== this.#refusal?.reason || refusal.message !== this.#refusal.message)
      events.warn(
        desired,
        `Resize${refusal.reason}`,
        `Pod resize ${refusal.reason}: ${summary(desired, refusal.message)}`,
      );
    this.#refusal = refusal;
  }

  /** @param pod with what it was given. */
  plan(pod: Pod, runtime: RuntimePod): ResizePlan {
    this.#learn(pod, runtime);
    return planResize(pod, runtime, this.actuated);
  }

  /** Containers that run of which nothing is known were started by who had no word for it: with what the pod has. */
  #learn(pod: Pod, runtime: RuntimePod): void {
    if (this.#state === undefined) return;
    const begun = runtime.containers.some(({ state }) => state === "running");
    const unknown = Object.entries(allocationOf(pod)).filter(
      ([name]) =>
        this.actuated[name] === undefined &&
        (name === POD_LEVEL ? begun : newestContainer(runtime, name)?.state === "running"),
    );
    if (unknown.length > 0) this.#note({ ...this.actuated, ...Object.fromEntries(unknown) });
  }

  /**
   * Changes running containers: the pod's cgroup is made wide enough first, and no wider than needed at last.
   *
   * @returns when to try again, if that is needed. Never throws but when `signal` aborts.
   */
  async actuate(pod: Pod, { updates }: ResizePlan, signal: AbortSignal): Promise<number | undefined> {
    if (this.#state === undefined) return undefined;
    const { allocated } = this.#state;
    if (updates.length === 0 && !changesPodLevel(this.actuated, allocated)) return undefined;
    const { cri, cgroups } = this.#deps;
    try {
      await cgroups?.ensurePod(withAllocation(pod, largerOf(this.#state.allocated, this.actuated)));
      for (const { container, record } of updates) {
        const { cpuPeriod, cpuQuota, cpuShares, memoryLimitInBytes, memorySwapLimitInBytes, unified } = linuxResources(
          pod,
          container,
          resourcesOptions(this.#deps),
        );
        const resources = {
          ...(cpuPeriod !== undefined && { cpuPeriod }),
          ...(cpuQuota !== undefined && { cpuQuota }),
          ...(cpuShares !== undefined && { cpuShares }),
          ...(memoryLimitInBytes !== undefined && { memoryLimitInBytes }),
          ...(memorySwapLimitInBytes !== undefined && { memorySwapLimitInBytes }),
          ...(unified !== undefined && { unified }),
        };
        await cri.runtime.updateContainerResources(record.id, resources, signal);
        this.#note({ ...this.actuated, [container.name]: container.resources ?? {} });
      }
      await cgroups?.ensurePod(pod);
      if (changesPodLevel(this.actuated, allocated)) this.#note(withPodLevel(this.actuated, allocated));
      this.#error = undefined;
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      const { message } = toError(error);
      if (message !== this.#error)
        this.#deps.events.warn(pod, "ResizeError", `Pod resize error: ${summary(pod, message)}`);
      this.#error = message;
      return ERROR_RETRY_MS;
    }
  }

  /** These containers have been started with what they were given. */
  started(pod: Pod, names: readonly string[]): void {
    if (names.length === 0) return;
    const given = allocationOf(pod);
    const fresh = names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]] as const]));
    this.#note({ ...this.actuated, ...Object.fromEntries(fresh) });
  }

  /** Says so once all that was given is in force. */
  tellCompleted(pod: Pod, runtime: RuntimePod): void {
    const inProgress = this.#inProgress(runtime);
    if (this.#wasInProgress && !inProgress)
      this.#deps.events.normal(pod, "ResizeCompleted", `Pod resize completed: ${summary(pod)}`);
    this.#wasInProgress = inProgress;
  }

  /** Conditions that hold, all of status True. */
  conditions(runtime: RuntimePod): ResizeCondition[] {
    return [
      ...(this.#refusal === undefined ? [] : [{ type: "PodResizePending", ...this.#refusal }]),
      ...(this.#inProgress(runtime)
        ? [{ type: "PodResizeInProgress", ...(this.#error !== undefined && { reason: "Error", message: this.#error }) }]
        : []),
    ];
  }

  #inProgress(runtime: RuntimePod): boolean {
    if (this.#state === undefined) return false;
    const { allocated, actuated } = this.#state;
    const running = Object.keys(actuated).filter((name) => newestContainer(runtime, name)?.state === "running");
    const given = Object.fromEntries(running.map((name) => [name, allocated[name] ?? {}]));
    const used = Object.fromEntries(running.map((name) => [name, actuated[name] ?? {}]));
    return !isSameAllocation(given, used);
  }

  get retryAfterMs(): number | undefined {
    return this.isDeferred ? DEFERRED_RETRY_MS : undefined;
  }

  forget(): void {
    this.#deps.allocations.note(this.#uid, undefined);
  }

  #note(actuated: Allocation): void {
    if (this.#state === undefined) return;
    this.#state = { ...this.#state, actuated };
    this.#deps.allocations.note(this.#uid, this.#state);
  }
}

/** As a kubelet tells of it. */
function summary(pod: Pod, error?: string): string {
  const { initContainers, containers } = pod.spec ?? { containers: [] };
  const list = (all: typeof containers | undefined) => all?.map(({ name, resources = {} }) => ({ name, resources }));
  const { generation } = pod.metadata ?? {};
  return JSON.stringify({ initContainers: list(initContainers), containers: list(containers), generation, error });
}
