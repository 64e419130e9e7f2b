import type { RuntimeEvent } from "@kedge/cri";
import { type Container, keyOf, type ObjectKey, type Pod } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import type { ProbeMetrics } from "../probes/probe-metrics.ts";
import { Prober } from "../probes/prober.ts";
import type { RuntimePod } from "../runtime/runtime-pod.ts";
import type { ActivePod } from "../eviction/measure-pods.ts";
import type { KnownPod } from "../gc/container-gc.ts";
import { judgeResize } from "../resize/judge-resize.ts";
import { isAppArmorEnabled } from "../security/app-armor.ts";
import type { PodVerdict } from "../status/pod-status.ts";
import { isStaticPod } from "../static-pods/static-pod-annotations.ts";
import { type AdmissionFacts, isExtendedResource } from "./admit-pod.ts";
import type { RunningContainer } from "../cpus/cpu-manager.ts";
import { KeyedBackoff } from "./keyed-backoff.ts";
import { PodAdmission } from "./pod-admission.ts";
import { PodRound } from "./pod-round.ts";
import { PodWorker, type PodWorkerDeps } from "./pod-worker.ts";

/** The kernel's; it does not change while it runs. */
const HAS_APP_ARMOR = isAppArmorEnabled();

/** One worker for each pod of this node, by uid. */
export class PodWorkers {
  /** For `/metrics/probes`. */
  readonly probeMetrics: ProbeMetrics;
  readonly #deps: PodWorkerDeps;
  readonly #signal: AbortSignal;
  readonly #onGone: (key: ObjectKey) => void;
  readonly #workers = new Map<string, PodWorker>();
  readonly #running = new Set<Promise<void>>();
  readonly #admission: PodAdmission;
  #qosUpdate: Promise<void> | undefined;

  /**
   * @param onGone all of a pod is gone from here: the store may have it again by now.
   * @param refuse why the node takes no such pod now.
   */
  constructor(
    deps: Omit<PodWorkerDeps, "round" | "prober" | "admit" | "judgeResize">,
    signal: AbortSignal,
    onGone: (key: ObjectKey) => void,
    refuse: (pod: Pod) => PodVerdict | undefined = () => undefined,
  ) {
    const round = new PodRound(deps, new KeyedBackoff(deps.clock, deps.config.crashBackoffMaxMs));
    const prober = new Prober(deps);
    this.probeMetrics = prober.metrics;
    this.#deps = {
      ...deps,
      round,
      prober,
      admit: (candidate) => this.#admission.admit(candidate, signal),
      judgeResize: (desired, allocated) =>
        judgeResize(desired, allocated, {
          others: this.#others(desired, (worker) => worker.claimsResources),
          allocatable: deps.node.allocatable(),
          exclusiveCpus: deps.cpus.isExclusive(desired),
        }),
    };
    this.#admission = new PodAdmission({
      ...deps,
      facts: (pod) => this.#admissionFacts(pod),
      refuse,
      allocate: async (pod, podSignal) => {
        await deps.devices.allocate(pod, podSignal);
        await deps.cpus.allocate(pod);
      },
      release: async (uid) => {
        await deps.devices.release(uid);
        await deps.cpus.release(uid);
      },
      end: (pod, verdict, graceSeconds) => this.endFor(pod.metadata?.uid ?? "", verdict, graceSeconds),
    });
    this.#signal = signal;
    this.#onGone = onGone;
    deps.devices.listen({
      onCapacity: (resource) => this.#wakeUsersOf(resource),
      onHealth: (uids) => uids.forEach((uid) => this.wake(uid)),
      isActive: (uid) => this.#isActive(uid),
    });
    deps.cpus.follow({ running: () => this.#runningContainers(), isActive: (uid) => this.#isActive(uid) });
  }

  /** What the store holds under this name now; `undefined`: nothing, or nothing of this node's. */
  set(key: ObjectKey, pod: Pod | undefined): void {
    const name = keyOf({ metadata: { namespace: key.namespace ?? "", name: key.name } });
    const uid = pod?.metadata?.uid;
    const others = [...this.#workers.values()].filter((worker) => worker.uid !== uid && keyOf(worker.pod) === name);
    for (const worker of others) worker.remove();
    if (pod === undefined || uid === undefined) return;
    // Two states of one file never run side by side: when the old one is gone we are asked again.
    if (others.length > 0 && isStaticPod(pod)) return;
    const worker = this.#workers.get(uid);
    if (worker === undefined) this.#start(pod);
    else {
      this.#deps.statuses.observe(pod);
      worker.update(pod);
    }
    this.#updateQos();
  }

  /** A pod that the runtime has and nobody else. */
  endOrphan({ uid, namespace, name }: Pick<RuntimePod, "uid" | "namespace" | "name">): void {
    if (this.#workers.has(uid)) return;
    this.#deps.logger.info({ pod: name, namespace, uid }, "ending a pod that does not exist any more");
    this.#start({ metadata: { uid, namespace, name }, spec: { containers: [] } }).remove(true);
  }

  has(uid: string): boolean {
    return this.#workers.has(uid);
  }

  pods(): Pod[] {
    return [...this.#workers.values()].map(({ pod }) => pod);
  }

  /** Those that shall run, with what the runtime last said of them. */
  active(): ActivePod[] {
    return [...this.#workers.values()].map(({ active }) => active).filter((active) => active !== undefined);
  }

  /** All of them, as their workers last looked at them. */
  known(): KnownPod[] {
    return [...this.#workers.values()].map(({ known }) => known);
  }

  /** Ends a pod for the node's sake. @returns resolves once nothing of it runs any more. */
  async endFor(uid: string, verdict: PodVerdict, graceSeconds: number): Promise<void> {
    await this.#workers.get(uid)?.endFor(verdict, graceSeconds);
  }

  /** @returns whether somebody took it. */
  notice(event: RuntimeEvent): boolean {
    for (const worker of this.#workers.values())
      if (worker.knows(event.containerId)) {
        worker.notice(event);
        return true;
      }
    return false;
  }

  wake(uid: string): void {
    this.#workers.get(uid)?.notice();
  }

  /** Resolves once all workers have stopped; the pods go on. */
  async stopped(): Promise<void> {
    await Promise.all(this.#running);
  }

  #start(pod: Pod): PodWorker {
    const worker = new PodWorker(pod, this.#deps);
    this.#workers.set(worker.uid, worker);
    const running = this.#run(worker).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return worker;
  }

  async #run(worker: PodWorker): Promise<void> {
    await Promise.resolve(); // let the caller finish what it says about the pod
    try {
      await worker.run(this.#signal);
    } catch (error) {
      if (!this.#signal.aborted)
        this.#deps.logger.error({ uid: worker.uid, error: toError(error) }, "pod worker ended, which it never should");
    } finally {
      this.#workers.delete(worker.uid);
      if (!this.#signal.aborted) {
        const { namespace, name = "" } = worker.pod.metadata ?? {};
        this.#onGone({ namespace, name });
        this.#updateQos();
        for (const other of this.#workers.values()) if (other.isResizeDeferred) other.notice();
      }
    }
  }

  #admissionFacts(pod: Pod): AdmissionFacts {
    const { node, config, devices } = this.#deps;
    return {
      others: this.#others(pod, (worker) => worker.holdsResources),
      allocatable: {
        ...extendedResources(node.node()?.status?.allocatable), // what others have said that the node has
        ...node.allocatable(),
        ...devices.allocatableFor(pod),
      },
      maxPods: config.maxPods,
      nodeName: node.name,
      node: node.node(),
      allowedUnsafeSysctls: config.allowedUnsafeSysctls,
      security: { appArmor: HAS_APP_ARMOR, features: node.runtimeFeatures?.() },
    };
  }

  /** Whether a pod still needs the devices and CPUs that it has. */
  #isActive(uid: string): boolean {
    return this.#workers.get(uid)?.needsDevices === true;
  }

  #runningContainers(): RunningContainer[] {
    return this.active().flatMap(({ pod, runtime }) =>
      runtime.containers
        .filter(({ state }) => state === "running")
        .map(({ name, id }) => ({ podUid: pod.metadata?.uid ?? "", name, id })),
    );
  }

  /** A plugin has come, or has devices again: whoever could not start without may try. */
  #wakeUsersOf(resource: string): void {
    for (const worker of this.#workers.values()) {
      const { containers = [], initContainers = [] } = worker.pod.spec ?? {};
      const asks = ({ resources }: Container) => resources?.limits?.[resource] !== undefined;
      if ([...containers, ...initContainers].some(asks)) worker.notice();
    }
  }

  #others(pod: Pod, counts: (worker: PodWorker) => boolean): Pod[] {
    const workers = [...this.#workers.values()].filter(({ uid }) => uid !== pod.metadata?.uid);
    return workers.filter(counts).map((worker) => worker.pod);
  }

  /** The Burstable class gets the shares of its pods; one update at a time, the newest counts. */
  #updateQos(): void {
    const { cgroups, logger } = this.#deps;
    if (cgroups === undefined || this.#qosUpdate !== undefined) return;
    this.#qosUpdate = Promise.resolve()
      .then(() => cgroups.updateQos(this.pods()))
      .catch((error: unknown) => logger.warn({ error: toError(error) }, "shares of the Burstable class not set"))
      .finally(() => (this.#qosUpdate = undefined));
  }
}

function extendedResources(list: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(list).filter(([resource]) => isExtendedResource(resource)));
}
