import type { Container, Pod } from "@kedge/kube";
import { amountsOf, isSidecar, podLevelResources } from "../resources/pod-resources.ts";
import { qosClassOf } from "../resources/qos-class.ts";
import { CpuError } from "./cpu-error.ts";
import { type CpuSet, difference, isSubset, union } from "./cpu-set.ts";
import type { CpuTopology } from "./cpu-topology.ts";
import { takeCpus } from "./take-cpus.ts";

/** The static policy's settings. */
export interface StaticPolicy {
  /** Nobody has them alone. */
  readonly reserved: CpuSet;
  /** `full-pcpus-only`: containers get whole cores, or are refused. */
  readonly fullCoresOnly: boolean;
  /** `strict-cpu-reservation`: nobody runs on the reserved ones, not even with others. */
  readonly strictReservation: boolean;
}

/** Which CPUs are whose: changed as a whole, or not at all. */
export interface CpuState {
  readonly shared: CpuSet;
  readonly entries: ReadonlyMap<string, ReadonlyMap<string, CpuSet>>;
}

const NANO_PER_CPU = 1_000_000_000n;

/**
 * How many CPUs a container has for itself: as many as it asks for, if that is a whole number and its pod is Guaranteed.
 * Pods that say for themselves what they need share theirs.
 */
export function exclusiveCpus(pod: Pod, container: Container): number {
  if (qosClassOf(pod) !== "Guaranteed" || podLevelResources(pod) !== undefined) return 0;
  const request = amountsOf(container.resources?.requests).get("cpu") ?? 0n;
  return request % NANO_PER_CPU === 0n ? Number(request / NANO_PER_CPU) : 0;
}

/** What nobody has at the beginning. */
export function initialState(topology: CpuTopology, policy: StaticPolicy): CpuState {
  const shared = policy.strictReservation ? difference(topology.cpus, policy.reserved) : topology.cpus;
  return { shared, entries: new Map() };
}

/**
 * What of a state from before still holds on this machine. A kubelet refuses to start when CPUs came or went, or more are
 * reserved; here containers whose CPUs are not to be had any more lose them, and get others when they are admitted again.
 */
export function reviseState(state: CpuState, topology: CpuTopology, policy: StaticPolicy): CpuState {
  const assignable = difference(topology.cpus, policy.reserved);
  let entries = new Map<string, ReadonlyMap<string, CpuSet>>();
  let taken: CpuSet = new Set();
  for (const [uid, containers] of state.entries) {
    const sound = [...containers].filter(([, cpus]) => cpus.size > 0 && isSubset(cpus, assignable));
    const own = union(...sound.map(([, cpus]) => cpus));
    // Containers of one pod may share CPUs, one after the other; pods never do.
    if (sound.length === 0 || [...own].some((cpu) => taken.has(cpu))) continue;
    entries = entries.set(uid, new Map(sound));
    taken = union(taken, own);
  }
  return { shared: difference(initialState(topology, policy).shared, taken), entries };
}

/**
 * Gives the containers of a pod the CPUs that they have for themselves. What a container has already stays.
 *
 * @throws CpuError in a kubelet's words.
 */
export function assignCpus(pod: Pod, state: CpuState, topology: CpuTopology, policy: StaticPolicy): CpuState {
  const uid = pod.metadata?.uid ?? "";
  const own = new Map(state.entries.get(uid));
  let { shared } = state;
  let reusable: CpuSet = new Set();
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  for (const container of [...initContainers, ...containers]) {
    const count = exclusiveCpus(pod, container);
    if (count === 0) continue;
    let cpus = own.get(container.name);
    if (cpus === undefined) {
      checkAlignment(count, shared, topology, policy);
      const available = union(difference(shared, policy.reserved), reusable);
      cpus = takeCpus(topology, available, count);
      if (cpus === undefined)
        throw new CpuError(
          `not enough cpus available to satisfy request: requested=${count}, available=${available.size}`,
          { code: "CpusUnavailable" },
        );
      shared = difference(shared, cpus);
      own.set(container.name, cpus);
    }
    // What an init container had goes to the next ones, unless it runs on beside them.
    const isOver = initContainers.includes(container) && !isSidecar(container);
    reusable = isOver ? union(reusable, cpus) : difference(reusable, cpus);
  }
  if (own.size === 0) return state;
  return { shared, entries: new Map([...state.entries, [uid, own]]) };
}

/** @returns the same state if the pod has no CPUs of its own. */
export function releaseCpus(state: CpuState, uid: string): CpuState {
  const own = state.entries.get(uid);
  if (own === undefined) return state;
  const entries = new Map(state.entries);
  entries.delete(uid);
  return { shared: union(state.shared, ...own.values()), entries };
}

function checkAlignment(count: number, shared: CpuSet, topology: CpuTopology, policy: StaticPolicy): void {
  if (!policy.fullCoresOnly) return;
  const { cpusPerCore } = topology;
  if (count % cpusPerCore !== 0)
    throw new CpuError(`SMT Alignment Error: requested ${count} cpus not multiple cpus per core = ${cpusPerCore}`, {
      code: "SMTAlignmentError",
    });
  const free = difference(shared, topology.siblings(policy.reserved)).size;
  if (count > free)
    throw new CpuError(
      `SMT Alignment Error: not enough free physical CPUs: available physical CPUs = ${free}, requested CPUs = ${count}, CPUs per core = ${cpusPerCore}`,
      { code: "SMTAlignmentError" },
    );
}
