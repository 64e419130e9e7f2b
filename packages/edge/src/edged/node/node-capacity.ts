import { formatBytes, formatMilli, quantityMilli, quantityValue } from "../resources/quantity.ts";
import type { MachineInfo } from "./machine-info.ts";

type ResourceList = Record<string, string>;

/** What the node keeps for itself. */
export interface NodeReservation {
  readonly maxPods: number;
  /** 0: no bound but `maxPods`. */
  readonly podsPerCore?: number;
  readonly kubeReserved?: Readonly<ResourceList> | undefined;
  readonly systemReserved?: Readonly<ResourceList> | undefined;
  /** Signal → quantity or percentage: `memory.available: 100Mi`, `nodefs.available: 10%`. */
  readonly evictionHard?: Readonly<ResourceList> | undefined;
  /** `experimentalNodeAllocatableIgnoreEvictionThreshold` */
  readonly ignoreEvictionThreshold?: boolean;
  /** `enforceNodeAllocatable` has `pods`; default true. Else pods may use together all that there is. */
  readonly enforcesPods?: boolean;
}

export interface NodeResources {
  readonly capacity: ResourceList;
  readonly allocatable: ResourceList;
  /** Allocatable before eviction thresholds: what the cgroup of all pods is limited to. */
  readonly podsLimit: { readonly cpu: string; readonly memory: string; readonly pid?: string };
}

/** The node's capacity, and what of it pods may ask for: never less than nothing. */
export function nodeResources(machine: MachineInfo, reservation: NodeReservation): NodeResources {
  const { maxPods, podsPerCore = 0 } = reservation;
  const pods = podsPerCore > 0 ? Math.min(podsPerCore * machine.cpus, maxPods) : maxPods;
  const hugePages = Object.entries(machine.hugePages);
  const textOf = (keeps: (name: string) => number) =>
    Object.fromEntries(hugePages.map(([name, bytes]) => [name, formatBytes(Math.max(0, bytes - keeps(name)))]));
  const kept = (resource: string) =>
    quantityMilli(reservation.kubeReserved?.[resource]) + quantityMilli(reservation.systemReserved?.[resource]);

  const cpuMilli = Math.max(0, machine.cpus * 1000 - kept("cpu"));
  const memoryBefore = Math.max(0, machine.memoryBytes - kept("memory") / 1000);
  const evictMemory = evictionBytes(reservation, "memory.available", machine.memoryBytes);
  const evictStorage = evictionBytes(reservation, "nodefs.available", machine.storageBytes);
  // Huge pages are taken out of memory when the machine sets them aside.
  const hugeBytes = hugePages.reduce((sum, [, bytes]) => sum + bytes, 0);
  const memory = Math.max(0, memoryBefore - evictMemory - hugeBytes);
  const storage = Math.max(0, machine.storageBytes - kept("ephemeral-storage") / 1000 - evictStorage);
  return {
    capacity: {
      cpu: String(machine.cpus),
      memory: formatKibibytes(machine.memoryBytes),
      "ephemeral-storage": formatKibibytes(machine.storageBytes),
      pods: String(pods),
      ...textOf(() => 0),
    },
    allocatable: {
      cpu: formatMilli(cpuMilli),
      memory: formatKibibytes(memory),
      "ephemeral-storage": formatKibibytes(storage),
      pods: String(Math.max(0, pods - kept("pods") / 1000)),
      ...textOf((name) => kept(name) / 1000),
    },
    podsLimit:
      reservation.enforcesPods === false
        ? { cpu: String(machine.cpus), memory: formatKibibytes(machine.memoryBytes), ...pidLimit(machine, 0) }
        : {
            cpu: formatMilli(cpuMilli),
            memory: formatKibibytes(memoryBefore),
            ...pidLimit(machine, kept("pid") / 1000),
          },
  };
}

function pidLimit({ pidsMax }: MachineInfo, kept: number): { readonly pid?: string } {
  return pidsMax === undefined ? {} : { pid: String(Math.max(0, pidsMax - kept)) };
}

function evictionBytes(
  { evictionHard, ignoreEvictionThreshold }: NodeReservation,
  signal: string,
  capacity: number,
): number {
  const threshold = ignoreEvictionThreshold === true ? undefined : evictionHard?.[signal];
  if (threshold === undefined) return 0;
  if (threshold === "0%" || threshold === "100%") return 0; // as kubelets have it: these switch a threshold off
  const percentage = /^(\d+(?:\.\d+)?)%$/.exec(threshold)?.[1];
  if (percentage === undefined) return quantityValue(threshold);
  // A kubelet counts percents in single precision, which a node's status shows: 10 % is a little more than a tenth.
  return Math.trunc(capacity * Math.fround(Math.fround(Number(percentage)) / 100));
}

// Memory and file systems come in KiB, and so they are read by people.
function formatKibibytes(bytes: number): string {
  return bytes % 1024 === 0 ? formatBytes(bytes) : String(bytes);
}
