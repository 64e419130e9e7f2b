import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { CriClient } from "@kedge/cri";
import { keyOf, type ObjectKey, type Pod } from "@kedge/kube";
import {
  abortable,
  Backoff,
  type Clock,
  Component,
  deferred,
  isAbort,
  type Logger,
  toError,
  WakeUp,
} from "@kedge/runtime";
import type { EdgeBus } from "../edge-messages.ts";
import type { EdgedConfig } from "./edged-config.ts";
import type { EdgedParts, NodeFacts } from "./edged-parts.ts";
import { CpuManager } from "./cpus/cpu-manager.ts";
import { DeviceManager } from "./devices/device-manager.ts";
import { servePodResources } from "./devices/serve-pod-resources.ts";
import { EventRecorder } from "./events/event-recorder.ts";
import { Housekeeping } from "./housekeeping.ts";
import { ImageManager } from "./images/image-manager.ts";
import { nodeConfigPaths } from "./images/pull-credentials.ts";
import { PodWorkers } from "./pods/pod-workers.ts";
import { removeLeftovers } from "./pods/remove-leftovers.ts";
import { usesObject } from "./pods/uses-object.ts";
import { CgroupManager } from "./resources/cgroup-manager.ts";
import { hugePageSizes } from "./resources/linux-resources.ts";
import { RuntimeWatch } from "./runtime/runtime-watch.ts";
import { Allocations } from "./resize/allocations.ts";
import { UserNamespaces } from "./security/user-namespaces.ts";
import { StateFile } from "./state-file.ts";
import { fromApi, isMirrorPod } from "./static-pods/static-pod-annotations.ts";
import { StaticPods } from "./static-pods/static-pods.ts";
import { StatusManager } from "./status/status-manager.ts";
import { VolumeManager } from "./volumes/volume-manager.ts";

export interface EdgedDeps {
  /** Stays its owner's. */
  readonly cri: CriClient;
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly node: NodeFacts;
}

/** Below the root directory. */
const DEVICE_PLUGINS = "device-plugins";
const ALLOCATIONS_FILE = "kedge_allocations";
const LIST_RETRY_MIN_MS = 100;
const LIST_RETRY_MAX_MS = 5_000;
/** Pulls at once where edgecore.yaml sets no limit. */
const IMAGE_PULLS_MAX = 16;
const US_PER_MS = 1000;
/** Whoever watches the agent's health need not know of shorter absences of the runtime. */
const SILENT_MS_MIN = 300_000;

/** Runs the node's pods: what MetaManager holds is what runs in the container runtime. */
export class Edged extends Component {
  readonly #parts: EdgedParts;
  readonly #workers: PodWorkers;
  readonly #statics: StaticPods;
  readonly #statuses: StatusManager;
  readonly #housekeeping: Housekeeping;
  readonly #watch: RuntimeWatch;
  readonly #scope: AsyncDisposableStack;
  readonly #changed = new Map<string, ObjectKey>();
  readonly #wake = new WakeUp();
  readonly #listed = deferred();
  #isListed = false;
  #runtimeListedMs = 0;
  #loops: Promise<unknown> = Promise.resolve();

  private constructor(parts: EdgedParts, scope: AsyncDisposableStack) {
    super();
    this.#parts = parts;
    this.#runtimeListedMs = parts.clock.monotonic();
    this.#scope = scope;
    this.#statics = new StaticPods({
      ...parts,
      runs: (uid) => this.#workers.has(uid),
      onChanged: (key) => this.#noteChange(key),
      onMirror: (uid, mirror) => this.#statuses.observeMirror(uid, mirror),
    });
    this.#statuses = new StatusManager({ ...parts, mirrors: this.#statics.mirrors });
    const onGone = (key: ObjectKey) => {
      this.#noteChange(key);
      this.#statics.ended(key);
    };
    this.#workers = new PodWorkers({ ...parts, statuses: this.#statuses }, this.signal, onGone, (pod) =>
      this.#housekeeping.refuse(pod),
    );
    const workers = this.#workers;
    this.#housekeeping = new Housekeeping(parts, {
      all: () => workers.pods(),
      active: () => workers.active(),
      known: () => workers.known(),
      has: (uid) => workers.has(uid),
      endFor: (uid, verdict, graceSeconds) => workers.endFor(uid, verdict, graceSeconds),
      listed: this.#listed.promise,
    });
    parts.devices.listen({ onCapacity: () => this.#housekeeping.noteNodeChanged() });
    this.#watch = new RuntimeWatch(parts, {
      onEvent: (event) => this.#workers.notice(event),
      onChanged: ({ uid }) => this.#workers.wake(uid),
      onListed: (pods) => {
        this.#runtimeListedMs = parts.clock.monotonic();
        // Before we know which pods there shall be, none is too much.
        if (this.#isListed) for (const pod of pods) this.#workers.endOrphan(pod);
      },
    });
  }

  /** Containers that run already are taken over as they are. @throws when the node's directories or cgroups cannot be made. */
  static async start(config: EdgedConfig, deps: EdgedDeps, signal: AbortSignal): Promise<Edged> {
    signal.throwIfAborted();
    await using scope = new AsyncDisposableStack();
    const life = scope.adopt(new AbortController(), (controller) => controller.abort());
    const { cri, bus, clock, logger, node } = deps;
    for (const directory of [config.podLogsDirectory, config.containerLogsDirectory])
      await mkdir(directory, { recursive: true, mode: 0o755 });
    const { reportEvent: enabled, nodeName, housekeeping } = config;
    const events = new EventRecorder({ enabled, nodeName, rate: housekeeping.events }, deps, life.signal);
    const { rootDirectory } = config;
    const parts: EdgedParts = {
      config,
      cri,
      bus,
      clock,
      logger,
      node,
      events,
      images: new ImageManager(imageConfig(config), { images: cri.images, bus, events, clock, logger }),
      devices: scope.use(await DeviceManager.start(join(rootDirectory, DEVICE_PLUGINS), { clock, logger })),
      cpus: scope.use(await startCpuManager(config, cri, deps)),
      volumes: scope.use(await VolumeManager.open({ rootDirectory, allocatable: () => node.allocatable() }, deps)),
      userNamespaces: new UserNamespaces(rootDirectory, config.maxPods),
      allocations: await Allocations.open(new StateFile(join(rootDirectory, ALLOCATIONS_FILE)), logger),
      cgroups: config.cgroupsPerQos ? await openCgroups(config, node, logger) : undefined,
    };
    signal.throwIfAborted();
    const edged = new Edged(parts, scope.move());
    const { devices, cpus } = parts;
    const pods = () => edged.#workers.active().map(({ pod }) => pod);
    edged.#scope.use(await servePodResources(rootDirectory, { pods, devices, cpus, logger }));
    edged.#run();
    return edged;
  }

  /** The pods of this node as they stand, with the status last decided here. */
  pods(): Pod[] {
    return this.#workers.pods();
  }

  /** What keeps the node usable, and knows how it is. */
  get housekeeping(): Housekeeping {
    return this.#housekeeping;
  }

  /** What device plugins offer to pods. */
  get deviceResources(): { readonly capacity: Record<string, string>; readonly allocatable: Record<string, string> } {
    const { devices } = this.#parts;
    return { capacity: devices.capacity(), allocatable: devices.allocatable() };
  }

  /** Resolves once it is known which pods this node has. */
  get listed(): Promise<void> {
    return this.#listed.promise;
  }

  /** Why the work on pods does not go on; `undefined`: it does. */
  problem(): string | undefined {
    const silentMs = this.#parts.clock.monotonic() - this.#runtimeListedMs;
    if (silentMs < Math.max(SILENT_MS_MIN, 2 * this.#parts.config.syncFrequencyMs)) return undefined;
    return `the container runtime's pods have not been seen for ${Math.round(silentMs / 1000)} s`;
  }

  /** What probes came to, as kubelets serve it at `/metrics/probes`. */
  probeMetrics(): string {
    return this.#workers.probeMetrics.render();
  }

  get volumes(): VolumeManager {
    return this.#parts.volumes;
  }

  /** The cloud may have forgotten which pods this node has: whichever it does not know to exist any more is ended. */
  confirmPods(): void {
    this.#statuses.confirmAll();
    this.#statics.retryNow();
  }

  #run(): void {
    const { bus, logger } = this.#parts;
    this.#scope.use(bus.listen("meta/podChanged", ({ key }) => this.#noteChange(key)));
    this.#scope.use(bus.listen("meta/objectChanged", ({ type, key }) => this.#wakeUsers(type, key)));
    this.#scope.use(
      bus.listen("hub/connection", ({ connected, agreed = false }) => {
        if (!connected) return;
        this.#statuses.retryNow({ compares: agreed });
        this.#statics.retryNow();
      }),
    );
    this.#scope.use(bus.handle("edged/staticPods", () => this.#statics.report()));
    const { signal } = this;
    const loops = [
      this.#followStore(signal),
      this.#followStatics(signal),
      this.#watch.run(signal),
      this.#removeLeftovers(signal),
      this.#housekeeping.run(signal),
    ];
    this.#loops = Promise.all(
      loops.map((loop) =>
        loop.catch((error: unknown) => {
          if (!isAbort(error, signal)) logger.error({ error: toError(error) }, "Edged stopped working");
        }),
      ),
    );
  }

  #noteChange(key: ObjectKey): void {
    this.#changed.set(keyOf({ metadata: { namespace: key.namespace ?? "", name: key.name } }), key);
    this.#wake.wake();
  }

  /** First all pods, then those that change. */
  async #followStore(signal: AbortSignal): Promise<void> {
    await this.#listPods(signal);
    for (;;) {
      const keys = [...this.#changed.values()];
      this.#changed.clear();
      for (const key of keys) await this.#takePod(key, signal);
      if (this.#changed.size === 0) await this.#wake.wait(signal);
    }
  }

  async #listPods(signal: AbortSignal): Promise<void> {
    const { bus, clock, logger } = this.#parts;
    const backoff = new Backoff({ initialMs: LIST_RETRY_MIN_MS, maxMs: LIST_RETRY_MAX_MS });
    for (;;) {
      try {
        const pods = (await bus.request("meta/list", { type: "pod" }, signal)) as Pod[];
        for (const pod of pods.filter(isMirrorPod)) this.#setMirror(pod);
        await this.#readStatics();
        for (const pod of pods) this.#set(pod.metadata ?? {}, pod);
        for (const key of this.#statics.keys()) this.#workers.set(key, this.#statics.get(key));
        this.#parts.allocations.retain((uid) => this.#workers.has(uid));
        this.#listed.resolve();
        this.#isListed = true;
        this.#watch.relist();
        return;
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw error;
        logger.warn({ error: toError(error) }, "pods of this node not listed yet");
        await clock.sleep(backoff.next(), signal);
      }
    }
  }

  /** Beside all else: it waits for the runtime, which pods that come meanwhile need not. */
  async #removeLeftovers(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts;
    const backoff = new Backoff({ initialMs: LIST_RETRY_MIN_MS, maxMs: LIST_RETRY_MAX_MS });
    await abortable(this.#listed.promise, signal);
    for (;;) {
      try {
        return await removeLeftovers(this.#parts, (uid) => this.#workers.has(uid), signal);
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw error;
        logger.warn({ error: toError(error) }, "what pods left behind is not removed yet");
        await clock.sleep(backoff.next(), signal);
      }
    }
  }

  async #takePod(key: ObjectKey, signal: AbortSignal): Promise<void> {
    try {
      this.#set(key, await this.#parts.bus.request("meta/getPod", key, signal));
    } catch (error) {
      if (isAbort(error, signal) || signal.aborted) throw error;
      this.#parts.logger.warn({ ...key, error: toError(error) }, "changed pod not read");
    }
  }

  #set(
    { namespace, name = "" }: { namespace?: string | undefined; name?: string | undefined },
    pod: Pod | undefined,
  ): void {
    const key = { namespace, name };
    const own = pod?.spec?.nodeName === this.#parts.config.nodeName ? pod : undefined;
    const mirror = own !== undefined && isMirrorPod(own) ? own : undefined;
    this.#statics.observe(key, mirror);
    // A mirror pod only shows what runs here.
    this.#workers.set(
      key,
      this.#statics.get(key) ?? (own === undefined || mirror !== undefined ? undefined : fromApi(own)),
    );
  }

  /** Before it is known which of them still shall run: what another agent began is known again by them. */
  #setMirror(mirror: Pod): void {
    const { namespace, name = "" } = mirror.metadata ?? {};
    if (mirror.spec?.nodeName === this.#parts.config.nodeName) this.#statics.observe({ namespace, name }, mirror);
  }

  /** @throws the signal's reason alone: pods of the cluster run whatever is wrong with our own. */
  async #readStatics(): Promise<void> {
    const { logger, config } = this.#parts;
    try {
      await this.#statics.read();
    } catch (error) {
      this.signal.throwIfAborted();
      logger.error({ path: config.staticPodPath, error: toError(error) }, "static pods not read");
    }
  }

  async #followStatics(signal: AbortSignal): Promise<void> {
    await abortable(this.#listed.promise, signal);
    await this.#statics.run(signal);
  }

  /** A ConfigMap or Secret changed: mounted files follow, and who waited for it goes on. */
  #wakeUsers(type: string, key: ObjectKey): void {
    if (type !== "configmap" && type !== "secret") return;
    const { volumes, logger } = this.#parts;
    for (const pod of this.#workers.pods()) {
      if (pod.metadata?.namespace !== key.namespace || !usesObject(pod, type, key.name)) continue;
      this.#workers.wake(pod.metadata?.uid ?? "");
      volumes.refresh(pod, this.signal).catch((error: unknown) => {
        if (!this.signal.aborted)
          logger.warn({ pod: pod.metadata?.name, error: toError(error) }, "volumes not refreshed");
      });
    }
  }

  protected override async stop(): Promise<void> {
    await this.#loops;
    await this.#workers.stopped();
    await this.#statuses[Symbol.asyncDispose]();
    await this.#scope.disposeAsync();
    await this.#parts.cgroups?.removeIfEmpty();
  }
}

function startCpuManager(
  { rootDirectory, cpuManager }: EdgedConfig,
  { runtime }: CriClient,
  { clock, logger }: Pick<EdgedDeps, "clock" | "logger">,
): Promise<CpuManager> {
  const update = (id: string, cpusetCpus: string, signal: AbortSignal) =>
    runtime.updateContainerResources(id, { cpusetCpus }, signal);
  return CpuManager.start(rootDirectory, cpuManager, { clock, logger, update });
}

function imageConfig(config: EdgedConfig) {
  return {
    pullsMax: config.serializeImagePulls
      ? 1
      : Math.min(config.maxParallelImagePulls ?? IMAGE_PULLS_MAX, IMAGE_PULLS_MAX),
    pullAlwaysFallsBackOffline: config.pullAlwaysFallsBackOffline,
    rate: config.housekeeping.pulls,
    nodeConfigPaths: nodeConfigPaths(config.rootDirectory),
  };
}

async function openCgroups(config: EdgedConfig, node: NodeFacts, logger: Logger): Promise<CgroupManager> {
  const cgroups = await CgroupManager.detect({
    driver: config.cgroupDriver,
    cgroupRoot: config.cgroupRoot,
    podPidsLimit: config.podPidsLimit,
    cpuCfsQuota: config.cpuCfsQuota,
    cpuCfsPeriodUs: config.cpuCfsQuotaPeriodMs * US_PER_MS,
    hugePageSizes: hugePageSizes(),
    memoryQos: config.memoryThrottlingFactor !== undefined,
  });
  // Before eviction thresholds: pods shall be evicted there, not killed by the kernel.
  for (const error of await cgroups.ensureRoot(node.podsLimit()))
    logger.warn({ error }, "a limit of all pods is not set: nothing keeps them from what the node needs itself");
  for (const { name, values } of config.reservedCgroups)
    await cgroups.limitExisting(name, values).catch((error: unknown) => {
      logger.warn(
        { cgroup: name, error: toError(error) },
        "a cgroup of the machine is not limited to what is reserved for it",
      );
    });
  return cgroups;
}
