/** What may run out on a node; each counts how much of it is left. */
export type EvictionSignal =
  | "memory.available"
  | "allocatableMemory.available"
  | "nodefs.available"
  | "nodefs.inodesFree"
  | "imagefs.available"
  | "imagefs.inodesFree"
  | "pid.available";

export type PressureCondition = "MemoryPressure" | "DiskPressure" | "PIDPressure";

interface SignalMeaning {
  readonly condition: PressureCondition;
  /** As messages name it. */
  readonly resource: "memory" | "ephemeral-storage" | "inodes" | "pids";
  /** How its amounts are written. */
  readonly format: "BinarySI" | "DecimalSI";
}

export const SIGNALS: Readonly<Record<EvictionSignal, SignalMeaning>> = {
  "memory.available": { condition: "MemoryPressure", resource: "memory", format: "BinarySI" },
  "allocatableMemory.available": { condition: "MemoryPressure", resource: "memory", format: "BinarySI" },
  "nodefs.available": { condition: "DiskPressure", resource: "ephemeral-storage", format: "BinarySI" },
  "nodefs.inodesFree": { condition: "DiskPressure", resource: "inodes", format: "DecimalSI" },
  "imagefs.available": { condition: "DiskPressure", resource: "ephemeral-storage", format: "BinarySI" },
  "imagefs.inodesFree": { condition: "DiskPressure", resource: "inodes", format: "DecimalSI" },
  "pid.available": { condition: "PIDPressure", resource: "pids", format: "DecimalSI" },
};

export function isEvictionSignal(name: string): name is EvictionSignal {
  return Object.hasOwn(SIGNALS, name);
}

/** How much there is of something, and how much of that is left: bytes, inodes or processes. */
export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

/** What was seen at one moment; what cannot be seen here is absent. */
export type Observations = Readonly<Partial<Record<EvictionSignal, Observation>>>;
