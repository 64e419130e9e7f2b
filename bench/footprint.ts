import { readFileSync } from "node:fs";

const BYTES_PER_KIB = 1024;
const CLOCK_TICKS_PER_SECOND = 100; // sysconf(_SC_CLK_TCK) on every Linux that Node runs on

export interface Memory {
  readonly rssMb: number;
  /** What would be free if this process ended: pages that nobody shares. */
  readonly privateMb: number;
  /** Shared pages counted by their share. */
  readonly pssMb: number;
}

/** Memory of a process as the kernel accounts it, in MB (10^6 bytes). */
export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mb = (field: string) =>
    (Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? Number.NaN) * BYTES_PER_KIB) / 1e6;
  return { rssMb: mb("Rss"), privateMb: mb("Private_Clean") + mb("Private_Dirty"), pssMb: mb("Pss") };
}

/** CPU time that a process has used so far, in seconds. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}
