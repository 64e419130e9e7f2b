import { readFile, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { ImageService } from "@kedge/cri";
import { type Logger, toError } from "@kedge/runtime";
import { type CgroupHierarchy, parseCgroupHierarchies } from "../resources/cgroup-hierarchies.ts";
import type { EvictionSignal, Observation, Observations } from "./eviction-signals.ts";

const KIB = 1024;

export interface ObserveNodeDeps {
  readonly images: ImageService;
  readonly logger: Logger;
  /** Where pods' files live. */
  readonly rootDirectory: string;
  /** The cgroup of all pods, below a hierarchy's root; `undefined`: they have none. */
  readonly podsCgroup: string | undefined;
  /** What all pods may use of memory, in bytes. */
  readonly podsMemoryBytes: () => number;
}

/** Reads what is left of a node's resources: a few small files, and nothing of what no threshold is about. */
export class NodeObserver {
  readonly #deps: ObserveNodeDeps;
  readonly #wanted: ReadonlySet<EvictionSignal>;
  #imageDirectory: string | undefined;
  #separateImages = false;
  #memoryHierarchy: CgroupHierarchy | undefined;

  constructor(wanted: Iterable<EvictionSignal>, deps: ObserveNodeDeps) {
    this.#deps = deps;
    this.#wanted = new Set(wanted);
  }

  /** Whether images, and what containers write, lie on another file system than pods' files. */
  get separateImages(): boolean {
    return this.#separateImages;
  }

  async observe(signal: AbortSignal): Promise<Observations> {
    const observations: Partial<Record<EvictionSignal, Observation>> = {};
    const wants = (...signals: EvictionSignal[]) => signals.some((one) => this.#wanted.has(one));
    if (wants("memory.available"))
      observations["memory.available"] = memoryLeft(await readFile("/proc/meminfo", "utf8"));
    if (wants("allocatableMemory.available")) {
      const left = await this.#podsMemoryLeft();
      if (left !== undefined) observations["allocatableMemory.available"] = left;
    }
    if (wants("nodefs.available", "nodefs.inodesFree"))
      Object.assign(observations, await fileSystem("nodefs", this.#deps.rootDirectory));
    if (wants("imagefs.available", "imagefs.inodesFree")) {
      const directory = await this.imageDirectory(signal);
      if (directory !== undefined) Object.assign(observations, await fileSystem("imagefs", directory));
    }
    if (wants("pid.available")) observations["pid.available"] = await processesLeft();
    return observations;
  }

  /** Where the runtime keeps images; asked for once. */
  async imageDirectory(signal: AbortSignal): Promise<string | undefined> {
    if (this.#imageDirectory !== undefined) return this.#imageDirectory;
    try {
      const [first] = await this.#deps.images.imageFsInfo(signal);
      const directory = first?.fsId?.mountpoint;
      if (directory === undefined || directory === "") return undefined;
      const [images, pods] = await Promise.all([stat(directory), stat(this.#deps.rootDirectory)]);
      this.#separateImages = images.dev !== pods.dev;
      this.#imageDirectory = directory;
      return directory;
    } catch (error) {
      signal.throwIfAborted();
      this.#deps.logger.debug({ error: toError(error) }, "where the runtime keeps images is not known yet");
      return undefined;
    }
  }

  async #podsMemoryLeft(): Promise<Observation | undefined> {
    const { podsCgroup, podsMemoryBytes } = this.#deps;
    const capacity = podsMemoryBytes();
    if (podsCgroup === undefined || capacity <= 0) return undefined;
    try {
      this.#memoryHierarchy ??= parseCgroupHierarchies(await readFile("/proc/self/mountinfo", "utf8")).find(
        ({ version, controllers, idle }) => idle !== true && (version === 2 || controllers.includes("memory")),
      );
      if (this.#memoryHierarchy === undefined) return undefined;
      const { version, mountPoint } = this.#memoryHierarchy;
      const directory = join(mountPoint, podsCgroup);
      const [usage, stats] = await Promise.all([
        readFile(join(directory, version === 2 ? "memory.current" : "memory.usage_in_bytes"), "utf8"),
        readFile(join(directory, "memory.stat"), "utf8"),
      ]);
      const workingSet = workingSetBytes(Number(usage), stats);
      return { available: Math.max(0, capacity - workingSet), capacity };
    } catch {
      return undefined; // no pod, no cgroup
    }
  }
}

/** What was used less what the kernel can take back at once. @param stats text of a cgroup's `memory.stat`. */
export function workingSetBytes(usageBytes: number, stats: string): number {
  const inactive = /^total_inactive_file (\d+)$/m.exec(stats)?.[1] ?? /^inactive_file (\d+)$/m.exec(stats)?.[1];
  return Math.max(0, usageBytes - Number(inactive ?? 0));
}

/** Memory that is free, or can be taken back at once. @param meminfo text of `/proc/meminfo`. */
export function memoryLeft(meminfo: string): Observation {
  const read = (name: string) => {
    const value = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1];
    return Number(value ?? 0) * KIB;
  };
  const capacity = read("MemTotal");
  const available = read("MemFree") + read("Inactive\\(file\\)");
  return { available: Math.min(capacity, available), capacity };
}

async function fileSystem(name: "nodefs" | "imagefs", directory: string): Promise<Observations> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(directory);
  return {
    [`${name}.available`]: { available: bavail * bsize, capacity: blocks * bsize },
    // Some file systems make inodes as they need them, and say that there are none.
    ...(files > 0 && { [`${name}.inodesFree`]: { available: ffree, capacity: files } }),
  };
}

async function processesLeft(): Promise<Observation> {
  const [load, pidMax, threadsMax] = await Promise.all(
    ["/proc/loadavg", "/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"].map((path) => readFile(path, "utf8")),
  );
  const capacity = Math.min(Number(pidMax), Number(threadsMax));
  const running = Number(/ \d+\/(\d+) /.exec(load ?? "")?.[1] ?? 0);
  return { available: Math.max(0, capacity - running), capacity };
}
