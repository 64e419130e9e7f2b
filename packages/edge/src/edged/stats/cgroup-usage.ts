import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { workingSetBytes } from "../eviction/observe-node.ts";
import type { CgroupHierarchy } from "../resources/cgroup-hierarchies.ts";

const NS_PER_US = 1_000;

/** What the processes of one cgroup, and of those below it, have taken. */
export interface CgroupUsage {
  readonly cpuNs: number;
  readonly memory: MemoryUsage;
  readonly processes: number | undefined;
}

export interface MemoryUsage {
  readonly usageBytes: number;
  readonly workingSetBytes: number;
  readonly rssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  readonly swapBytes: number;
}

/** Reads cgroups of this machine, of either version. */
export class CgroupUsages {
  readonly #version: 1 | 2;
  readonly #places: Readonly<Record<"cpuacct" | "memory" | "pids", string | undefined>>;

  constructor(hierarchies: readonly CgroupHierarchy[]) {
    const usable = hierarchies.filter(({ idle }) => idle !== true);
    this.#version = usable[0]?.version ?? 1;
    const place = (controller: string) =>
      usable.find(({ version, controllers }) => version === 2 || controllers.includes(controller))?.mountPoint;
    this.#places = { cpuacct: place("cpuacct"), memory: place("memory"), pids: place("pids") };
  }

  /** @param path below a hierarchy's root. @returns undefined if there is no such cgroup. */
  async read(path: string): Promise<CgroupUsage | undefined> {
    try {
      const [cpuNs, memory, processes] = await Promise.all([
        this.#cpuNs(path),
        this.#memory(path),
        this.#processes(path),
      ]);
      return { cpuNs, memory, processes };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENODEV") return undefined;
      throw error;
    }
  }

  /** One of its processes. */
  async anyProcess(path: string): Promise<number | undefined> {
    const text = await this.#text("pids", path, "cgroup.procs").catch(() => "");
    const pid = Number(text.split("\n", 1)[0]);
    return pid > 0 ? pid : undefined;
  }

  async #cpuNs(path: string): Promise<number> {
    if (this.#version === 1) return Number(await this.#text("cpuacct", path, "cpuacct.usage"));
    return field(await this.#text("cpuacct", path, "cpu.stat"), "usage_usec") * NS_PER_US;
  }

  async #memory(path: string): Promise<MemoryUsage> {
    const v1 = this.#version === 1;
    const [usage, stat, swap] = await Promise.all([
      this.#text("memory", path, v1 ? "memory.usage_in_bytes" : "memory.current"),
      this.#text("memory", path, "memory.stat"),
      v1 ? "" : this.#text("memory", path, "memory.swap.current").catch(() => ""),
    ]);
    const usageBytes = Number(usage);
    return {
      usageBytes,
      workingSetBytes: workingSetBytes(usageBytes, stat),
      rssBytes: v1 ? field(stat, "total_rss") : field(stat, "anon"),
      pageFaults: field(stat, v1 ? "total_pgfault" : "pgfault"),
      majorPageFaults: field(stat, v1 ? "total_pgmajfault" : "pgmajfault"),
      swapBytes: v1 ? field(stat, "total_swap") : Number(swap),
    };
  }

  async #processes(path: string): Promise<number | undefined> {
    const text = await this.#text("pids", path, "pids.current").catch(() => "");
    return text === "" ? undefined : Number(text);
  }

  #text(controller: "cpuacct" | "memory" | "pids", path: string, file: string): Promise<string> {
    const place = this.#places[controller];
    if (place === undefined) return Promise.reject(Object.assign(new Error(controller), { code: "ENOENT" }));
    return readFile(join(place, path, file), "utf8");
  }
}

/** Of a file of lines `name number`. */
export function field(text: string, name: string): number {
  for (const line of text.split("\n")) if (line.startsWith(`${name} `)) return Number(line.slice(name.length + 1));
  return 0;
}
