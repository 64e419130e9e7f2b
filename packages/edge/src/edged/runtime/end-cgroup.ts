import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, hasCode, type Logger } from "@kedge/runtime";
import type { CgroupManager } from "../resources/cgroup-manager.ts";
import type { CgroupError } from "../resources/cgroup-error.ts";

const TRIES_MAX = 5;
const WAIT_MS = 50;

/**
 * Removes a pod's cgroup, and kills what still runs in it although the runtime has stopped all that it knows: a runtime
 * that dies while it starts a container forgets that container's process.
 *
 * @throws CgroupError `CgroupBusy` when that does not help.
 */
export async function endCgroup(
  cgroups: CgroupManager,
  podUid: string,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await cgroups.removePod(podUid);
    } catch (error) {
      if (!hasCode(error, "CgroupBusy") || tries === TRIES_MAX) throw error;
      const { path } = (error as CgroupError).details;
      const pids = (await readFile(join(path, "cgroup.procs"), "utf8").catch(() => "")).split("\n").filter(Boolean);
      for (const pid of pids.map(Number)) {
        logger.warn({ podUid, pid }, "killing a process that the container runtime has lost");
        kill(pid);
      }
      await clock.sleep(WAIT_MS * tries, signal);
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}
