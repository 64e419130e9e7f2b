import { readFileSync } from "node:fs";

/** Who a process is: a pid alone may by now belong to somebody else. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks from boot to the process' start. */
  readonly startTicks: string;
  readonly bootId: string;
}

/** @returns `undefined` if there is no such process, or it has ended. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return { pid, startTicks: fields[19] ?? "", bootId };
  } catch {
    return undefined;
  }
}

/** Whether the process that was recorded is alive. */
export function isSame(recorded: ProcessIdentity): boolean {
  const living = identify(recorded.pid);
  return living?.startTicks === recorded.startTicks && living.bootId === recorded.bootId;
}
