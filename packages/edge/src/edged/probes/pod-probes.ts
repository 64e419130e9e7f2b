import type { Container, ContainerStatus, Pod, Probe } from "@kedge/kube";
import { type Clock, isAbort, type Logger, toError, WakeUp } from "@kedge/runtime";
import type { ProbeResults } from "../pods/container-verdict.ts";
import { isSidecar } from "../pods/plan-init-containers.ts";
import { newestContainer, type RuntimeContainer, type RuntimePod } from "../runtime/runtime-pod.ts";
import { PROBE_NAMES, type ProbeSeries } from "./probe-metrics.ts";
import { newProbeState, type ProbeKind, type ProbeState, takeResult } from "./probe-state.ts";
import { failureCounts, firstProbeMs, nextProbeMs, type ProbeTimes } from "./probe-times.ts";
import { PROBE_TIMEOUT_SECONDS, type Prober } from "./prober.ts";

const KINDS: readonly ProbeKind[] = ["startup", "readiness", "liveness"];
const PERIOD_SECONDS = 10;
const FAILURES = 3;
const SUCCESSES = 1;

export interface PodProbesDeps {
  readonly prober: Prober;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One probe of one container. */
interface Probed {
  readonly kind: ProbeKind;
  readonly container: Container;
  readonly probe: Probe;
  readonly times: ProbeTimes;
  readonly series: ProbeSeries;
  /** Of the run that is watched; `undefined` until there is one. */
  state: ProbeState | undefined;
  /** Monotonic ms. */
  startedAtMs: number;
  dueMs: number;
  /** It runs. */
  alive: boolean;
  asking: boolean;
}

/** All probes of one pod: one timer for them together, and what they have found. */
export class PodProbes implements ProbeResults, Disposable {
  readonly #deps: PodProbesDeps;
  readonly #pod: () => Pod;
  readonly #onChanged: () => void;
  readonly #life = new AbortController();
  /** Of startup and liveness probes: aborts when the pod shall end. */
  readonly #restarts = new AbortController();
  readonly #wake = new WakeUp();
  #probed: readonly Probed[] | undefined;

  /**
   * @param pod with the status that was last decided.
   * @param onChanged what a container's status shows has changed, or a container must be killed.
   */
  constructor(deps: PodProbesDeps, pod: () => Pod, onChanged: () => void) {
    this.#deps = deps;
    this.#pod = pod;
    this.#onChanged = onChanged;
  }

  /** Follows the containers that there are now. To be called before their status is made of what probes found. */
  look(runtime: RuntimePod): void {
    if (this.#life.signal.aborted) return;
    const pod = this.#pod();
    if (this.#probed === undefined) {
      this.#probed = probesOf(pod, this.#deps.prober);
      if (this.#probed.length > 0) void this.#run(this.#life.signal);
    }
    for (const probed of this.#probed) this.#follow(probed, pod, newestContainer(runtime, probed.container.name));
    this.#wake.wake();
  }

  /** Who runs without a startup probe has started. */
  started({ name }: Container, { id }: RuntimeContainer): boolean {
    const startup = this.#find("startup", name);
    return startup === undefined || (startup.state?.containerId === id && startup.state.verdict === true);
  }

  /** Whether its readiness probe lets a container that has started be ready. */
  ready({ name }: Container, { id }: RuntimeContainer): boolean {
    const readiness = this.#find("readiness", name);
    return readiness === undefined || (readiness.state?.containerId === id && readiness.state.verdict === true);
  }

  liveness(containerId: string): boolean | undefined {
    return this.#verdict("liveness", containerId);
  }

  startup(containerId: string): boolean | undefined {
    return this.#verdict("startup", containerId);
  }

  /** The pod shall end: only readiness is asked for from now on. */
  terminate(): void {
    this.#restarts.abort();
  }

  [Symbol.dispose](): void {
    this.#life.abort();
    this.#restarts.abort();
    for (const { series } of this.#probed ?? []) series[Symbol.dispose]();
    this.#probed = [];
  }

  #find(kind: ProbeKind, name: string): Probed | undefined {
    return this.#probed?.find((probed) => probed.kind === kind && probed.container.name === name);
  }

  #verdict(kind: ProbeKind, id: string): boolean | undefined {
    if (this.#restarts.signal.aborted) return undefined;
    return this.#probed?.find((probed) => probed.kind === kind && probed.state?.containerId === id)?.state?.verdict;
  }

  #follow(probed: Probed, pod: Pod, record: RuntimeContainer | undefined): void {
    probed.alive = record?.state === "running";
    if (record === undefined || probed.state?.containerId === record.id) return;
    const { clock } = this.#deps;
    const before = probed.state === undefined ? statusOf(pod, record) : undefined;
    const carried =
      probed.kind === "readiness" ? before?.ready : probed.kind === "startup" ? before?.started : undefined;
    // `false` says no more than that there was no word yet.
    probed.state = newProbeState(probed.kind, record.id, carried === true ? true : undefined);
    const nowMs = clock.monotonic();
    probed.startedAtMs = nowMs - Math.max(0, clock.now() - record.startedAtMs);
    const firstMs = firstProbeMs(probed.kind, probed.startedAtMs, probed.times);
    // An agent that restarts finds all containers at once: they shall not be asked all at once.
    probed.dueMs = firstMs < nowMs && before !== undefined ? nowMs + Math.random() * probed.times.periodMs : firstMs;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    try {
      for (;;) {
        const nowMs = clock.monotonic();
        const waiting = (this.#probed ?? []).filter((probed) => this.#isOpen(probed));
        for (const probed of waiting) if (probed.dueMs <= nowMs) void this.#ask(probed);
        const nextMs = Math.min(...waiting.filter(({ asking }) => !asking).map(({ dueMs }) => dueMs));
        if (nextMs === Number.POSITIVE_INFINITY) await this.#wake.wait(signal);
        else await this.#wake.waitOr(nextMs - nowMs, clock, signal);
      }
    } catch (error) {
      if (!isAbort(error, signal) && !signal.aborted) logger.error({ error: toError(error) }, "probes of a pod ended");
    }
  }

  /** Whether there is something to ask. */
  #isOpen({ kind, container, state, alive, asking }: Probed): boolean {
    if (!alive || asking || state === undefined || state.held) return false;
    if (kind !== "readiness" && this.#restarts.signal.aborted) return false;
    if (kind === "startup") return true;
    const startup = this.#find("startup", container.name);
    return startup === undefined || startup.state?.verdict === true;
  }

  async #ask(probed: Probed): Promise<void> {
    const { prober, clock, logger } = this.#deps;
    const { signal } = probed.kind === "readiness" ? this.#life : this.#restarts;
    const { kind, container, probe, series, state: asked } = probed;
    if (asked === undefined) return;
    probed.asking = true;
    const beganMs = clock.monotonic();
    try {
      const { containerId } = asked;
      const success = await prober.ask({ kind, pod: this.#pod(), container, containerId, probe, series }, signal);
      signal.throwIfAborted();
      const { state } = probed;
      if (success === undefined || state?.containerId !== containerId) return; // of a run that is over
      if (!success && !failureCounts(kind, probed.startedAtMs, beganMs, probed.times)) return;
      probed.state = takeResult(state, kind, success, {
        failures: probe.failureThreshold ?? FAILURES,
        successes: probe.successThreshold ?? SUCCESSES,
      });
      if (probed.state.verdict !== state.verdict) this.#changed(probed);
    } catch (error) {
      if (!signal.aborted)
        logger.warn({ kind, container: container.name, error: toError(error) }, "probe failed oddly");
    } finally {
      probed.asking = false;
      const nowMs = clock.monotonic();
      if (probed.dueMs <= nowMs) probed.dueMs = nextProbeMs(probed.dueMs, nowMs, probed.times);
      this.#wake.wake();
    }
  }

  #changed({ kind, container, state }: Probed): void {
    if (kind === "startup" && state?.verdict === true) {
      const nowMs = this.#deps.clock.monotonic();
      for (const other of this.#probed ?? [])
        if (other.container.name === container.name && other.kind !== "startup") {
          const { periodMs } = other.times;
          const missed = Math.ceil(Math.max(0, nowMs - other.dueMs) / periodMs);
          other.dueMs = other.kind === "readiness" ? Math.max(other.dueMs, nowMs) : other.dueMs + missed * periodMs;
        }
    }
    this.#onChanged();
  }
}

function probesOf(pod: Pod, prober: Prober): Probed[] {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers.filter(isSidecar)].flatMap((container) =>
    KINDS.flatMap((kind) => {
      const probe = container[`${kind}Probe`];
      if (probe === undefined) return [];
      const labels = { probe_type: PROBE_NAMES[kind], container: container.name, pod: name, namespace, pod_uid: uid };
      return {
        kind,
        container,
        probe,
        times: {
          initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
          periodMs: Math.max(1, probe.periodSeconds ?? PERIOD_SECONDS) * 1000,
          timeoutSeconds: probe.timeoutSeconds ?? PROBE_TIMEOUT_SECONDS,
        },
        series: prober.metrics.series(labels),
        state: undefined,
        startedAtMs: 0,
        dueMs: 0,
        alive: false,
        asking: false,
      };
    }),
  );
}

/** What was told of this very run before. */
function statusOf({ status }: Pod, { name, id }: RuntimeContainer): ContainerStatus | undefined {
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  return all.find((one) => one.name === name && one.containerID === `containerd://${id}`);
}
