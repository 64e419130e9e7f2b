import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Container, Pod } from "@kedge/kube";
import { type Clock, Component, hasCode, isAbort, type Logger, toError, WakeUp } from "@kedge/runtime";
import { writeDurably } from "../state-file.ts";
import { CPU_CHECKPOINT_FILE, readCpuCheckpoint, writeCpuCheckpoint } from "./cpu-checkpoint.ts";
import type { CpuManagerConfig } from "./cpu-manager-config.ts";
import {
  assignCpus,
  type CpuState,
  exclusiveCpus,
  initialState,
  releaseCpus,
  reviseState,
  type StaticPolicy,
} from "./cpu-policy.ts";
import { type CpuSet, difference, formatCpuSet, isEqual } from "./cpu-set.ts";
import { type CpuTopology, readCpuTopology } from "./cpu-topology.ts";
import { takeCpus } from "./take-cpus.ts";

export interface RunningContainer {
  readonly podUid: string;
  readonly name: string;
  readonly id: string;
}

export interface CpuManagerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tells the runtime on which CPUs a container may run. */
  readonly update: (containerId: string, cpuset: string, signal: AbortSignal) => Promise<void>;
  readonly topology?: CpuTopology;
}

/** What the manager must know of pods. */
export interface CpuUsers {
  running(): readonly RunningContainer[];
  /** Whether a pod still needs its CPUs. */
  isActive(podUid: string): boolean;
}

/**
 * Gives containers of Guaranteed pods that ask for whole CPUs those CPUs for themselves, and keeps all others off them.
 *
 * @see `README.md`
 */
export class CpuManager extends Component {
  readonly #config: CpuManagerConfig;
  readonly #deps: CpuManagerDeps;
  readonly #path: string;
  #known: CpuTopology | undefined;
  #written: string | undefined;
  readonly #wake = new WakeUp();
  /** Container id → what the runtime was told last. */
  readonly #told = new Map<string, CpuSet>();
  #state: CpuState = { shared: new Set(), entries: new Map() };
  #users: CpuUsers | undefined;
  /** Whether somebody ever had CPUs of his own here: only then others must be kept off, or let on again. */
  #isNeeded: boolean;
  #loop: Promise<void> = Promise.resolve();

  private constructor(directory: string, config: CpuManagerConfig, deps: CpuManagerDeps) {
    super();
    this.#config = config;
    this.#deps = deps;
    this.#path = join(directory, CPU_CHECKPOINT_FILE);
    this.#known = deps.topology;
    this.#isNeeded = config.policy === "static";
  }

  /** @param directory the agent's root directory. @throws when the state cannot be stored. */
  static async start(directory: string, config: CpuManagerConfig, deps: CpuManagerDeps): Promise<CpuManager> {
    const manager = new CpuManager(directory, config, deps);
    const before = await manager.#read();
    if (config.policy === "static") {
      const { logger } = deps;
      const state =
        before === undefined
          ? initialState(manager.#topology, manager.#policy)
          : reviseState(before, manager.#topology, manager.#policy);
      if (before !== undefined && before.entries.size > state.entries.size)
        logger.warn({ path: manager.#path }, "some containers' own CPUs are not to be had any more: they get others");
      manager.#state = state;
      logger.info(
        { shared: formatCpuSet(state.shared), reserved: formatCpuSet(manager.#policy.reserved) },
        "containers of Guaranteed pods that ask for whole CPUs have them for themselves",
      );
    } else {
      // Whoever had CPUs of his own shares them again, and may run on the others'.
      manager.#isNeeded = before !== undefined && before.entries.size > 0;
      manager.#state = { shared: manager.#isNeeded ? manager.#topology.cpus : new Set(), entries: new Map() };
    }
    await manager.#write();
    return manager;
  }

  /** From now on running containers are kept where they may run. */
  follow(users: CpuUsers): void {
    this.#users = users;
    this.#loop = this.#run();
  }

  /**
   * Gives a pod's containers the CPUs that they shall have for themselves. What they have already stays.
   *
   * @throws CpuError in a kubelet's words; the pod has no more than before then.
   */
  async allocate(pod: Pod): Promise<void> {
    if (this.#config.policy !== "static") return;
    let state = this.#state;
    for (const uid of state.entries.keys())
      if (uid !== pod.metadata?.uid && this.#users?.isActive(uid) === false) state = releaseCpus(state, uid);
    await this.#set(assignCpus(pod, state, this.#topology, this.#policy));
  }

  /** The pod is over. */
  async release(podUid: string): Promise<void> {
    await this.#set(releaseCpus(this.#state, podUid));
  }

  /** Where a container may run, as cpuset(7) writes it; undefined: anywhere. */
  cpusetOf(podUid: string, container: string): string | undefined {
    const cpus = this.#state.entries.get(podUid)?.get(container) ?? this.#state.shared;
    return cpus.size === 0 || !this.#isNeeded ? undefined : formatCpuSet(cpus);
  }

  /** CPUs that this container has for itself. */
  ownOf(podUid: string, container: string): CpuSet {
    return this.#state.entries.get(podUid)?.get(container) ?? new Set();
  }

  /** Whether a container of the pod has CPUs for itself. */
  hasOwn(podUid: string): boolean {
    return this.#state.entries.has(podUid);
  }

  /** Whether containers of this pod would have CPUs for themselves: these cannot be changed while they run. */
  isExclusive(pod: Pod): boolean {
    const { containers = [], initContainers = [] } = pod.spec ?? {};
    const asks = (container: Container) => exclusiveCpus(pod, container) > 0;
    return this.#config.policy === "static" && [...containers, ...initContainers].some(asks);
  }

  /** CPUs that containers may have for themselves, or have. */
  get allocatable(): CpuSet {
    return this.#config.policy === "static" ? difference(this.#topology.cpus, this.#policy.reserved) : new Set();
  }

  /** Most nodes never need to know. */
  get #topology(): CpuTopology {
    return (this.#known ??= readCpuTopology());
  }

  get #policy(): StaticPolicy {
    const { reserved, reservedMilli, fullCoresOnly, strictReservation } = this.#config;
    const { cpus } = this.#topology;
    const fallback = () => takeCpus(this.#topology, cpus, Math.ceil(reservedMilli / 1000)) ?? cpus;
    return { reserved: reserved ?? fallback(), fullCoresOnly, strictReservation };
  }

  async #set(state: CpuState): Promise<void> {
    if (state === this.#state) return;
    const before = this.#state;
    this.#state = state;
    try {
      await this.#write();
    } catch (error) {
      this.#state = before;
      throw error;
    }
    this.#wake.wake();
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps;
    while (!this.signal.aborted && this.#isNeeded) {
      try {
        await this.#reconcile();
        await this.#wake.waitOr(this.#config.reconcileMs, clock, this.signal);
      } catch (error) {
        if (isAbort(error, this.signal)) return;
      }
    }
  }

  /** Containers that share go where they may be now, before and after those that have their own. */
  async #reconcile(): Promise<void> {
    const running = this.#users?.running() ?? [];
    const ids = new Set(running.map(({ id }) => id));
    for (const id of this.#told.keys()) if (!ids.has(id)) this.#told.delete(id);
    for (const { podUid, name, id } of running) {
      const cpus = this.#state.entries.get(podUid)?.get(name) ?? this.#state.shared;
      const told = this.#told.get(id);
      if (cpus.size === 0 || (told !== undefined && isEqual(told, cpus))) continue;
      try {
        await this.#deps.update(id, formatCpuSet(cpus), this.signal);
        this.#told.set(id, cpus);
      } catch (error) {
        this.signal.throwIfAborted();
        const facts = { podUid, container: name, cpus: formatCpuSet(cpus), error: toError(error) };
        this.#deps.logger.warn(facts, "a container is not where it shall run yet");
      }
    }
  }

  async #read(): Promise<CpuState | undefined> {
    try {
      const text = await readFile(this.#path, "utf8");
      const { policy, shared, entries } = readCpuCheckpoint(text);
      this.#written = text;
      return policy === "static" ? { shared, entries } : undefined;
    } catch (error) {
      if (!hasCode(error, "ENOENT"))
        this.#deps.logger.warn(
          { path: this.#path, error: toError(error) },
          "whose CPUs are whose is not known any more",
        );
      return undefined;
    }
  }

  async #write(): Promise<void> {
    const { policy } = this.#config;
    const shared = policy === "static" ? this.#state.shared : new Set<number>();
    const text = writeCpuCheckpoint({ policy, shared, entries: this.#state.entries });
    if (text === this.#written) return;
    await writeDurably(this.#path, text);
    this.#written = text;
  }

  protected override async stop(): Promise<void> {
    await this.#loop;
  }
}
