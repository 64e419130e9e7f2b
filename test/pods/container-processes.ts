import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CGROUPS, podCgroup, QOS_CLASSES } from "./pod-cgroups.ts";
import type { PodTarget } from "./pod-target.ts";

/** Sends a signal to a container's first process, as the kernel or a person at the node might. @returns whether there was one. */
export async function signalContainer(
  { cgroup }: PodTarget,
  podUid: string,
  containerId: string,
  signal: NodeJS.Signals,
): Promise<boolean> {
  for (const qos of QOS_CLASSES) {
    const file = join(CGROUPS, "pids", podCgroup(cgroup, qos, podUid), containerId, "cgroup.procs");
    const [first = ""] = (await readFile(file, "utf8").catch(() => "")).split("\n");
    if (first === "") continue;
    process.kill(Number(first), signal);
    return true;
  }
  return false;
}
