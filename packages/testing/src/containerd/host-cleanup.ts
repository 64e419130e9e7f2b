import { execFile } from "node:child_process";
import { readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
/** The kernel takes that long, at most, to clear away who was killed. */
const KILLED_WAIT_MS = 50;

/** Unmounts all that is mounted below `root`, the deepest first. */
export async function unmountBelow(root: string): Promise<void> {
  const mountInfo = await readFile("/proc/self/mountinfo", "utf8");
  const points = mountInfo
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${root}/`));
  for (const point of points.reverse()) await ignoreFailure(run("umount", ["-l", point]));
}

export async function removeLink(name: string): Promise<void> {
  await ignoreFailure(run("ip", ["link", "del", name]));
}

/** Kills the processes whose command line holds `mark`, a path that only we use: shims that outlived their containerd. */
export async function killProcessesOf(mark: string): Promise<void> {
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const commandLine = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    if (!commandLine.split("\0").some((argument) => argument === mark)) continue;
    for (const child of await childrenOf(entry)) kill(child);
    kill(Number(entry));
  }
}

async function childrenOf(pid: string): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return text.split(" ").filter(Boolean).map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has gone by itself
  }
}

/** Kills what a dead containerd has lost in the cgroups with this name, and removes them, in every hierarchy. */
export async function removeCgroups(name: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" "));
  for (const [, mountPoint = "", type] of mounts) {
    if (type !== "cgroup" && type !== "cgroup2") continue;
    const root = join(mountPoint, name);
    const below = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const directories = below.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
    for (const directory of [root, ...directories.toSorted((a, b) => a.length - b.length)].reverse()) {
      const pids = await readFile(join(directory, "cgroup.procs"), "utf8").catch(() => "");
      for (const pid of pids.split("\n").filter(Boolean)) kill(Number(pid));
      if (pids !== "") await delay(KILLED_WAIT_MS);
      await ignoreFailure(rmdir(directory));
    }
  }
}

async function ignoreFailure(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch {
    // cleaning up goes on with the next thing
  }
}
