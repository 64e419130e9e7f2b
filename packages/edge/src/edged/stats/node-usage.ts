import { readFile } from "node:fs/promises";
import { type CgroupUsage, type CgroupUsages, field } from "./cgroup-usage.ts";

const KIB = 1024;
const NS_PER_TICK = 1e9 / 100;

/** What all of the machine has taken; where its root cgroup does not tell (version 2), `/proc` does. */
export async function nodeUsage(cgroups: CgroupUsages): Promise<CgroupUsage> {
  const [root, meminfo, stat, vmstat] = await Promise.all([
    cgroups.read("/").catch(() => undefined),
    readFile("/proc/meminfo", "utf8"),
    readFile("/proc/stat", "utf8"),
    readFile("/proc/vmstat", "utf8").catch(() => ""),
  ]);
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0) * KIB;
  const usageBytes = kib("MemTotal") - kib("MemFree");
  const memory = root?.memory ?? {
    usageBytes,
    workingSetBytes: Math.max(0, usageBytes - kib("Inactive\\(file\\)")),
    rssBytes: kib("AnonPages"),
    pageFaults: field(vmstat, "pgfault"),
    majorPageFaults: field(vmstat, "pgmajfault"),
    swapBytes: kib("SwapTotal") - kib("SwapFree"),
  };
  return { cpuNs: root?.cpuNs ?? cpuNs(stat), memory, processes: undefined };
}

/** Of a line `cpu user nice system idle iowait irq softirq steal …`, in ticks: all but waiting. */
function cpuNs(stat: string): number {
  const ticks = (stat.split("\n", 1)[0] ?? "").trim().split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks;
  return (user + nice + system + irq + softirq + steal) * NS_PER_TICK;
}
