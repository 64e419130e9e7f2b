/** A machine has fewer; a list with more is none. */
export const CPU_ID_MAX = 65_535;

/** Logical processors by their number. */
export type CpuSet = ReadonlySet<number>;

/**
 * Reads what cpuset(7) calls the list format: `0-3,6`.
 *
 * @throws RangeError
 */
export function parseCpuSet(text: string): Set<number> {
  const cpus = new Set<number>();
  if (text.trim() === "") return cpus;
  for (const part of text.trim().split(",")) {
    const [, first = "", last = first] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === "" || to < from || to > CPU_ID_MAX)
      throw new RangeError(`${JSON.stringify(text)} is no list of CPUs: expected one like 0-3,6`);
    for (let cpu = from; cpu <= to; cpu += 1) cpus.add(cpu);
  }
  return cpus;
}

/** In the list format, as short as can be. */
export function formatCpuSet(cpus: CpuSet): string {
  const parts: string[] = [];
  const sorted = [...cpus].sort((a, b) => a - b);
  for (let at = 0; at < sorted.length;) {
    let end = at;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end += 1;
    parts.push(end === at ? `${sorted[at]}` : `${sorted[at]}-${sorted[end]}`);
    at = end + 1;
  }
  return parts.join(",");
}

export function union(...sets: readonly CpuSet[]): Set<number> {
  return new Set(sets.flatMap((set) => [...set]));
}

export function difference(set: CpuSet, without: CpuSet): Set<number> {
  return new Set([...set].filter((cpu) => !without.has(cpu)));
}

export function isSubset(set: CpuSet, of: CpuSet): boolean {
  return [...set].every((cpu) => of.has(cpu));
}

export function isEqual(a: CpuSet, b: CpuSet): boolean {
  return a.size === b.size && isSubset(a, b);
}
