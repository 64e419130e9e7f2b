import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CpuSet, parseCpuSet } from "./cpu-set.ts";

export interface CpuPlace {
  readonly cpu: number;
  /** The lowest CPU of the core: unique on the machine, as core numbers of the kernel are not. */
  readonly core: number;
  readonly socket: number;
  readonly numa: number;
}

/** Where each logical processor sits. */
export class CpuTopology {
  readonly places: ReadonlyMap<number, CpuPlace>;

  constructor(places: readonly CpuPlace[]) {
    this.places = new Map(places.map((place) => [place.cpu, place]));
  }

  get cpus(): CpuSet {
    return new Set(this.places.keys());
  }

  get sockets(): number {
    return new Set([...this.places.values()].map(({ socket }) => socket)).size;
  }

  get numaNodes(): number {
    return new Set([...this.places.values()].map(({ numa }) => numa)).size;
  }

  get cpusPerSocket(): number {
    return Math.floor(this.places.size / Math.max(1, this.sockets));
  }

  /** 2 where a core runs two threads at once. */
  get cpusPerCore(): number {
    const cores = new Set([...this.places.values()].map(({ core }) => core)).size;
    return Math.floor(this.places.size / Math.max(1, cores));
  }

  /** All threads of the cores that these CPUs belong to. */
  siblings(cpus: CpuSet): Set<number> {
    const cores = new Set([...cpus].map((cpu) => this.places.get(cpu)?.core));
    return new Set([...this.places.values()].flatMap(({ cpu, core }) => (cores.has(core) ? [cpu] : [])));
  }
}

/** This machine's. @param system `/sys/devices/system` @throws when the kernel does not show it. */
export function readCpuTopology(system = "/sys/devices/system"): CpuTopology {
  const online = parseCpuSet(readFileSync(join(system, "cpu/online"), "utf8"));
  const numa = new Map<number, number>();
  for (const entry of listed(join(system, "node"))) {
    const node = /^node(\d+)$/.exec(entry)?.[1];
    if (node === undefined) continue;
    for (const cpu of parseCpuSet(readFileSync(join(system, "node", entry, "cpulist"), "utf8")))
      numa.set(cpu, Number(node));
  }
  return new CpuTopology(
    [...online].map((cpu) => {
      const topology = join(system, `cpu/cpu${cpu}/topology`);
      const threads = parseCpuSet(readFileSync(join(topology, "thread_siblings_list"), "utf8"));
      const socket = Number(readFileSync(join(topology, "physical_package_id"), "utf8"));
      return { cpu, core: Math.min(cpu, ...threads), socket: Math.max(0, socket), numa: numa.get(cpu) ?? 0 };
    }),
  );
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // a kernel without NUMA
  }
}
