import { isDeepStrictEqual } from "node:util";
import type { RuntimeEvent } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import { Backoff, deferred, isAbort, toError, WakeUp } from "@kedge/runtime";
import type { EdgedParts } from "../edged-parts.ts";
import { endCgroup } from "../runtime/end-cgroup.ts";
import { PodProbes } from "../probes/pod-probes.ts";
import type { Prober } from "../probes/prober.ts";
import { endGraceSeconds } from "../runtime/grace-period.ts";
import { PodResize, type PodResizeDeps } from "../resize/pod-resize.ts";
import { killPod } from "../runtime/kill-pod.ts";
import { removeRuntimePod } from "../runtime/remove-dead.ts";
import { isStopped, newestContainer, type RuntimeContainer, type RuntimePod } from "../runtime/runtime-pod.ts";
import { withForeignConditions } from "../status/foreign-conditions.ts";
import { isTerminal, type PodVerdict, podStatus, untilOver } from "../status/pod-status.ts";
import type { StatusManager } from "../status/status-manager.ts";
import { activeDeadlineMs, DEADLINE_EXCEEDED } from "./active-deadline.ts";
import { type PodPlan, planPod } from "./plan-pod.ts";
import type { Candidate } from "./pod-admission.ts";
import { intentOf, shownInFiles } from "./pod-intent.ts";
import type { PodRound } from "./pod-round.ts";
import { PodView } from "./pod-view.ts";

export interface PodWorkerDeps extends EdgedParts, PodResizeDeps {
  readonly statuses: StatusManager;
  readonly round: PodRound;
  readonly prober: Prober;
  /** Whether the node takes the pod; asked once. */
  readonly admit: (candidate: Candidate) => Promise<PodVerdict | undefined>;
}

/** A kill by an agent that does not know the pod's spec. */
const ORPHAN_GRACE_SECONDS = 1;
/** After a round that failed as a whole: networks that are not up yet often are a second later. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 15_000;

/**
 * Lives as long as one pod, and does one thing after the other for it: keeps it running; once it shall end, ends it, and
 * there is no way back; then cleans up.
 *
 * @see `edge-runtime` §2.6
 */
export class PodWorker {
  readonly uid: string;
  readonly #deps: PodWorkerDeps;
  readonly #wake = new WakeUp();
  readonly #view: PodView;
  #pod: Pod;
  #failures: ReadonlyMap<string, { readonly reason: string; readonly message: string }> = new Map();
  #verdict: PodVerdict | undefined;
  /** It has come to its end by itself. */
  #isDone = false;
  #admitted: boolean;
  /** Labels or annotations changed, which files in volumes may show. */
  #refreshDue = false;
  #refreshedAtMs: number;
  #removed = false;
  #orphan = false;
  #state: "running" | "terminating" | "terminated" = "running";
  /** Aborts when the pod shall end. */
  readonly #ending = new AbortController();
  readonly #stopped = deferred();
  readonly #probes: PodProbes;
  readonly #resize: PodResize;
  #graceSecondsMax: number | undefined;
  /** Aborts a kill whose time was cut short. */
  #kill: { readonly graceSeconds: number; readonly life: AbortController } | undefined;
  /** Ids of containers whose preStop hook has run: it does so once, also when the time is cut short. */
  readonly #hooksRun = new Set<string>();

  constructor(pod: Pod, deps: PodWorkerDeps) {
    this.uid = pod.metadata?.uid ?? "";
    this.#pod = pod;
    this.#deps = deps;
    this.#view = new PodView(pod, deps.cri.runtime, deps.clock);
    this.#refreshedAtMs = deps.clock.monotonic();
    this.#admitted = pod.metadata?.deletionTimestamp !== undefined; // it was, or there would be nothing to end
    this.#resize = new PodResize(this.uid, deps);
    this.#probes = new PodProbes(
      deps,
      () => this.pod,
      () => this.#noticeProbes(),
    );
  }

  /** As the store has it, but with what it was given, and with the status as last decided here. */
  get pod(): Pod {
    return this.#resize.allocated(this.#desired);
  }

  get #desired(): Pod {
    const status = this.#deps.statuses.statusOf(this.uid);
    return status === undefined ? this.#pod : { ...this.#pod, status: withForeignConditions(status, this.#pod.status) };
  }

  /** It waits for others to leave it room. */
  get isResizeDeferred(): boolean {
    return this.#resize.isDeferred;
  }

  /** Whether the node has given it room, and has not got it back yet. */
  get holdsResources(): boolean {
    const taken = this.#admitted && this.#verdict === undefined && !this.#removed;
    return taken && this.#state !== "terminated" && !isTerminal(this.pod.status?.phase);
  }

  /** As {@link holdsResources}, or it will once it is taken in again: an earlier run of ours gave it room. */
  get claimsResources(): boolean {
    const isKnown = !this.#admitted && this.#pod.status?.startTime !== undefined && !this.#mustEnd();
    return isKnown || this.holdsResources;
  }

  /** Whether it may still need what was given to it: it is not over. */
  get needsDevices(): boolean {
    return this.#state !== "terminated" && (this.#state === "terminating" || !isTerminal(this.pod.status?.phase));
  }

  knows(id: string): boolean {
    return this.#view.knows(id);
  }

  /** The pod's object changed. */
  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    // Of a status that changed it was we who told.
    if (isDeepStrictEqual(intentOf(before), intentOf(pod))) return;
    this.#refreshDue ||= !isDeepStrictEqual(shownInFiles(before), shownInFiles(pod));
    this.#hurry();
    if (this.#mustEnd()) this.#ending.abort();
    this.#wake.wake();
  }

  /** The pod's object is gone. @param orphan we never had it: only the runtime did. */
  remove(orphan = false): void {
    this.#removed = true;
    this.#orphan ||= orphan;
    this.#ending.abort();
    this.#wake.wake();
  }

  /**
   * Ends the pod because the node must: it is evicted, or the node shuts down.
   *
   * @param graceSeconds what it gets at most.
   * @returns resolves once nothing of it runs any more.
   */
  endFor(verdict: PodVerdict, graceSeconds: number): Promise<void> {
    this.#verdict ??= verdict;
    this.#graceSecondsMax = Math.min(this.#graceSecondsMax ?? graceSeconds, graceSeconds);
    this.#hurry();
    this.#ending.abort();
    this.#wake.wake();
    return this.#stopped.promise;
  }

  /** What runs for it, as last looked at; `undefined` once it shall end. */
  get active(): { readonly pod: Pod; readonly runtime: RuntimePod } | undefined {
    return this.#mustEnd() || !this.#admitted ? undefined : { pod: this.pod, runtime: this.#view.pod };
  }

  /** What the runtime has of it, as last looked at. */
  get known(): { readonly runtime: RuntimePod; readonly isOver: boolean } {
    return { runtime: this.#view.pod, isOver: this.#state === "terminated" && !this.#removed };
  }

  /** Something happened in the runtime, or to what the pod waits for. */
  notice(event?: RuntimeEvent): void {
    if (event?.kind === "exited") this.#view.noticeEnd(event.containerId);
    this.#wake.wake();
  }

  /** Users shall see at once what probes found, even while a round takes its time. */
  #noticeProbes(): void {
    if (this.#state !== "terminated") this.#report(false);
    this.#wake.wake();
  }

  /** Works until the pod is gone for good. @throws the signal's reason; containers go on then. */
  async run(signal: AbortSignal): Promise<void> {
    using _ = this.#probes;
    const { clock, logger, config } = this.#deps;
    const backoff = new Backoff({ initialMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS, jitter: 0.3 });
    for (;;) {
      let nextMs: number;
      try {
        const next = await this.#round(signal);
        if (next === "done") return;
        backoff.reset();
        // A deadline may be years away, and the wall clock that it is told by may be put right before.
        nextMs = earliest(next, config.syncFrequencyMs * (1 + Math.random() / 2)) ?? config.syncFrequencyMs;
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw error;
        const { name, namespace } = this.#pod.metadata ?? {};
        logger.warn({ pod: name, namespace, error: toError(error) }, "pod not in sync yet");
        nextMs = backoff.next();
      }
      await this.#wake.waitOr(nextMs, clock, signal);
    }
  }

  /** @returns when to look again; `undefined`: when something happens, or after the usual time. */
  async #round(signal: AbortSignal): Promise<number | "done" | undefined> {
    if (this.#mustEnd()) return this.#end(signal);
    if (!this.#admitted) {
      const { pod } = this;
      const verdict = await this.#deps.admit({
        pod,
        wasAdmitted: pod.status?.startTime !== undefined,
        ending: this.#ending.signal,
        accept: () => (this.#admitted = true),
      });
      this.#admitted = true;
      this.#verdict ??= verdict;
      if (this.#mustEnd()) return this.#end(signal);
    }
    await this.#resize.consider(this.#desired);
    await this.#look(signal);
    const deadlineMs = activeDeadlineMs(this.pod, this.#deps.clock.now());
    if (deadlineMs === 0) {
      this.#verdict ??= DEADLINE_EXCEEDED;
      this.#deps.events.normal(this.pod, "DeadlineExceeded", DEADLINE_EXCEEDED.message);
    }
    if (this.#mustEnd()) return this.#end(signal);
    return earliest(deadlineMs, await this.#sync(signal));
  }

  async #sync(signal: AbortSignal): Promise<number | undefined> {
    const { round } = this.#deps;
    const { pod } = this;
    const [plan, resizeAfterMs] = await this.#resizeFirst(planPod(pod, this.#view.pod, this.#probes), signal);
    const idle = !plan.killPod && plan.kills.length + plan.resets.length + plan.starts.length === 0;
    if (idle) {
      this.#failures = new Map();
      await round.tidy(this.#view.pod, signal);
      await this.#refreshVolumes(signal);
      return resizeAfterMs;
    }
    try {
      const outcome = await round.act(pod, plan, this.#view.pod, this.#ending.signal, signal);
      this.#failures = outcome.failures;
      this.#resize.started(pod, outcome.started);
      await this.#look(signal);
      if (!outcome.acted) await this.#refreshVolumes(signal); // who waits to start again has neighbours that run
      // Of an end that came before the start nobody tells us: its back-off begins now.
      if (plan.resets.length > 0 || this.#hasFailedStart()) this.#wake.wake();
      // A sidecar has started: the next one may. Of an end we are told.
      if (outcome.started.length > 0 && (pod.spec?.initContainers ?? []).length > 0) this.#wake.wake();
      return earliest(outcome.retryAfterMs, resizeAfterMs);
    } catch (error) {
      signal.throwIfAborted();
      await this.#look(signal); // half of it may have been done
      throw error;
    }
  }

  /** Changes what runs to what the pod was given. @returns the plan with those that want to be started anew for it. */
  async #resizeFirst(plan: PodPlan, signal: AbortSignal): Promise<[PodPlan, number | undefined]> {
    const resize = this.#resize;
    const { pod } = this;
    if (plan.killPod) return [plan, resize.retryAfterMs];
    const wanted = resize.plan(pod, this.#view.pod);
    const retryAfterMs = earliest(resize.retryAfterMs, await resize.actuate(pod, wanted, signal));
    if (wanted.updates.length > 0) this.#report(false);
    resize.tellCompleted(pod, this.#view.pod);
    const others = wanted.restarts.filter(({ kill }) =>
      plan.kills.every(({ container }) => container !== kill.container),
    );
    const kills = [...plan.kills, ...others.map(({ kill }) => kill)];
    const starts = [...plan.starts, ...others.map(({ container }) => container)];
    return [{ ...plan, kills, starts }, retryAfterMs];
  }

  #hasFailedStart(): boolean {
    return [...this.#failures].some(
      ([name, { reason }]) =>
        reason === "RunContainerError" && newestContainer(this.#view.pod, name)?.state === "exited",
    );
  }

  /** Tokens run out, and what was missed of ConfigMaps and Secrets heals. */
  async #refreshVolumes(signal: AbortSignal): Promise<void> {
    const { volumes, clock, config } = this.#deps;
    const nowMs = clock.monotonic();
    if (!this.#refreshDue && nowMs - this.#refreshedAtMs < config.syncFrequencyMs) return;
    this.#refreshDue = false;
    this.#refreshedAtMs = nowMs;
    await volumes.refresh(this.pod, signal);
  }

  /** Reads what the runtime has, and tells the cluster. */
  async #look(signal: AbortSignal): Promise<void> {
    await this.#read(signal);
    this.#probes.look(this.#view.pod);
    this.#report(false);
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { containers = [], initContainers = [], ephemeralContainers = [] } = this.#pod.spec ?? {};
    await this.#view.read(containers.length + initContainers.length + ephemeralContainers.length, signal);
  }

  #report(over: boolean): void {
    if (this.#removed) return; // there is nobody to tell
    const { statuses, node, clock, devices } = this.#deps;
    const facts = {
      failures: this.#failures,
      messages: this.#view.messages,
      started: (container: Container, record: RuntimeContainer) => this.#probes.started(container, record),
      ready: (container: Container, record: RuntimeContainer) => this.#probes.ready(container, record),
      hostIPs: node.hostIPs(),
      nowMs: clock.now(),
      verdict: this.#verdict,
      devices: (container: string) => devices.healthOf(this.uid, container),
      over,
      actuated: this.#resize.actuated,
      resize: this.#resize.conditions(this.#view.pod),
    };
    const { pod } = this;
    const status = podStatus(pod, this.#view.pod, facts);
    const ends = !over && isTerminal(status.phase) && !isTerminal(pod.status?.phase);
    this.#isDone ||= ends;
    statuses.set(this.#pod, ends ? untilOver(status, pod.status?.phase) : status);
  }

  #mustEnd(): boolean {
    return (
      this.#state !== "running" ||
      this.#removed ||
      this.#verdict !== undefined ||
      this.#isDone ||
      this.#pod.metadata?.deletionTimestamp !== undefined ||
      isTerminal(this.pod.status?.phase)
    );
  }

  async #end(signal: AbortSignal): Promise<"done" | undefined> {
    if (this.#state !== "terminated") await this.#terminate(signal);
    const { statuses, volumes } = this.#deps;
    if (!this.#removed) {
      if (this.#pod.metadata?.deletionTimestamp !== undefined) statuses.finish(this.#pod);
      return undefined;
    }
    await this.#read(signal);
    await removeRuntimePod(this.#view.pod, this.#deps, signal);
    await volumes.release(this.uid, signal);
    statuses.forget(this.uid);
    this.#resize.forget();
    return "done";
  }

  async #terminate(signal: AbortSignal): Promise<void> {
    this.#state = "terminating";
    this.#probes.terminate();
    this.#failures = new Map();
    await this.#look(signal);
    for (;;) {
      const graceSeconds = this.#graceSeconds();
      const life = new AbortController();
      this.#kill = { graceSeconds, life };
      try {
        const end = { graceSeconds, hooksRun: this.#hooksRun };
        await killPod(this.pod, this.#view.pod, end, this.#deps, AbortSignal.any([signal, life.signal]));
        break;
      } catch (error) {
        if (signal.aborted || !life.signal.aborted) throw error; // else: again, with less time
      } finally {
        this.#kill = undefined;
      }
    }
    await this.#read(signal);
    if (!isStopped(this.#view.pod)) throw new Error("containers still run after they were stopped");
    this.#probes[Symbol.dispose]();
    this.#report(true);
    await this.#deps.volumes.release(this.uid, signal);
    if (this.#deps.cgroups !== undefined) await endCgroup(this.#deps.cgroups, this.uid, this.#deps, signal);
    for (const given of [this.#deps.devices, this.#deps.cpus]) await given.release(this.uid).catch(() => undefined); // told in the log; the next allocation tries again
    this.#deps.images.forget(this.uid);
    this.#deps.round.forget(this.uid);
    this.#state = "terminated";
    this.#stopped.resolve();
  }

  /** A kill that has more time than there is now begins anew. */
  #hurry(): void {
    if (this.#kill !== undefined && this.#graceSeconds() < this.#kill.graceSeconds) this.#kill.life.abort();
  }

  #graceSeconds(): number {
    return this.#orphan ? ORPHAN_GRACE_SECONDS : endGraceSeconds(this.#pod, this.#graceSecondsMax);
  }
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
