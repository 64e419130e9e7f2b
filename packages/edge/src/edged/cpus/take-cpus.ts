import type { CpuSet } from "./cpu-set.ts";
import type { CpuPlace, CpuTopology } from "./cpu-topology.ts";

type Level = "numa" | "socket" | "core";

/**
 * Chooses CPUs as near to each other as can be, and of those the ones that leave most whole for others: whole NUMA nodes and
 * sockets, then whole cores, then single threads of cores that are in use already; always from where least is free.
 *
 * @returns undefined when not so many are available.
 * @see Kubernetes' CPU manager, "packed": its choice is the same.
 */
export function takeCpus(topology: CpuTopology, available: CpuSet, count: number): Set<number> | undefined {
  const taken = new Set<number>();
  let free = [...topology.places.values()].filter(({ cpu }) => available.has(cpu));
  if (count > free.length) return undefined;
  const missing = () => count - taken.size;
  const take = (places: readonly CpuPlace[]) => {
    for (const { cpu } of places) taken.add(cpu);
    free = free.filter(({ cpu }) => !taken.has(cpu));
  };

  // The larger of the two comes first, and within it the smaller.
  const levels: Level[] = topology.sockets >= topology.numaNodes ? ["numa", "socket"] : ["socket", "numa"];
  for (const level of levels) {
    const size = (id: number) =>
      level === "socket"
        ? topology.cpusPerSocket
        : [...topology.places.values()].filter((place) => place[level] === id).length;
    for (const id of sorted(free, levels, level)) {
      const inIt = free.filter((place) => place[level] === id);
      if (inIt.length === size(id) && missing() >= inIt.length) take(inIt);
    }
    if (missing() <= 0) return taken;
  }
  for (const core of sorted(free, [...levels, "core"], "core")) {
    const inIt = free.filter((place) => place.core === core);
    if (inIt.length === topology.cpusPerCore && missing() >= inIt.length) take(inIt);
  }
  while (missing() > 0) {
    const [core] = sorted(free, [...levels, "core"], "core");
    const [first] = free.filter((place) => place.core === core).sort((a, b) => a.cpu - b.cpu);
    if (first === undefined) return undefined;
    take([first]);
  }
  return taken;
}

/** The ids of one level that have something free: in the order of the levels above, each from least free to most. */
function sorted(free: readonly CpuPlace[], levels: readonly Level[], level: Level): number[] {
  const path = levels.slice(0, levels.indexOf(level) + 1);
  const walk = (places: readonly CpuPlace[], [next, ...below]: readonly Level[]): number[] => {
    if (next === undefined) return [];
    const groups = new Map<number, CpuPlace[]>();
    for (const place of places) groups.set(place[next], [...(groups.get(place[next]) ?? []), place]);
    const ids = [...groups].sort(([a, inA], [b, inB]) => inA.length - inB.length || a - b);
    return ids.flatMap(([id, inIt]) => (below.length === 0 ? [id] : walk(inIt, below)));
  };
  return walk(free, path);
}
